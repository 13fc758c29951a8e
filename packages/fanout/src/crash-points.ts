/**
 * Places where dying is hardest: between two acts that belong together. Whoever drives the code may pass a function
 * that is told of each place as it is reached, and end the process there; without one they cost nothing.
 */
export const crashPoints = [
  /** A campaign was asked for, and nothing of it is stored. */
  'campaign-admitted',
  /** The campaign is stored, its launch is not in the queue. */
  'campaign-stored',
  /** The launch is in the queue, the answer is not kept for a repeat of the request. */
  'launch-asked',
  /** The answer is kept, whoever asked did not get it. */
  'answer-kept',
  /** The audience is frozen, nothing is planned. */
  'audience-frozen',
  /** Batches are written down, none has a job. */
  'batches-planned',
  /** The jobs are on their way to the queue. */
  'jobs-adding',
  /** The jobs are in the queue, the planner has not gone on. */
  'jobs-added',
  /** A worker has the job, the batch is not open. */
  'job-taken',
  /** The batch is open, its owner has not read the answer. */
  'batch-opened',
  /** There is credit, nothing is posted. */
  'credit-granted',
  /** A post is written, there is no answer. */
  'post-written',
  /** An answer was read and is not recorded. */
  'answer-read',
  /** An answer is recorded, no checkpoint tells of it. */
  'answer-recorded',
  /** A checkpoint was executed, its answer is not looked at. */
  'checkpoint-executed',
  /** All credit is used, and more is wanted. */
  'window-full',
  /** The token service is asked, under the lease that keeps others from asking. */
  'token-asked',
  /** The app rests because WNS told it to. */
  'resting',
  /** The batch is closed, its job is not finished. */
  'batch-closed',
  /** The job is finished, nobody was told. */
  'job-finished',
  /** The batch is parked, its job is not delayed. */
  'batch-parked',
  /** The process was told to stop and hands back what it holds. */
  'stopping',
  /** A batch without a job was found and has none yet. */
  'job-missed',
  /** The end of a campaign was told, and is not noted as told. */
  'finish-told',
  /** Dead channels were removed, the sender does not know. */
  'dead-removed',
] as const

export type CrashPoint = (typeof crashPoints)[number]

/** Told of each crash point that is reached. */
export interface CrashPoints {
  readonly reached?: ((point: CrashPoint) => void) | undefined
}
