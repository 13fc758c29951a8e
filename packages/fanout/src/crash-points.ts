/**
 * Points at which a crash is hardest to recover from: between two steps that belong together. A test passes `reached`
 * and ends the process at one of them. Without `reached` they cost nothing.
 */
export const crashPoints = [
  /** A campaign is admitted, and nothing of it is stored. */
  'campaign-admitted',
  /** The campaign is stored, and its launch is not in the queue. */
  'campaign-stored',
  /** The launch is in the queue, and the answer is not stored for a repeated request. */
  'launch-asked',
  /** The answer is stored, and the caller has not received it. */
  'answer-kept',
  /** The audience is frozen, and nothing is planned. */
  'audience-frozen',
  /** Batches are stored, and none has a job. */
  'batches-planned',
  /** The jobs are being added to the queue. */
  'jobs-adding',
  /** The jobs are in the queue, and the planner has not continued. */
  'jobs-added',
  /** A worker has the job, and the batch is not open. */
  'job-taken',
  /** The batch is open, and its owner has not read the reply. */
  'batch-opened',
  /** Credit is granted, and nothing is posted. */
  'credit-granted',
  /** A post is written, and its answer has not arrived. */
  'post-written',
  /** An answer is read, and not recorded. */
  'answer-read',
  /** An answer is recorded, and no checkpoint contains it. */
  'answer-recorded',
  /** A checkpoint was executed, and its reply is not processed. */
  'checkpoint-executed',
  /** All credit is used, and more is wanted. */
  'window-full',
  /** A token is requested, under the lease that prevents requests of other processes. */
  'token-asked',
  /** The app pauses because WNS throttles it. */
  'resting',
  /** The batch is closed, and its job is not finished. */
  'batch-closed',
  /** The job is finished, and a batch that needs another one has none. */
  'job-finished',
  /** The batch is parked, and its job is not delayed. */
  'batch-parked',
  /** The process has received a signal to stop, and hands its batches back. */
  'stopping',
  /** A batch without a job was found, and has no new job yet. */
  'job-missed',
  /** A worker is found dead, and its jobs are not released. */
  'death-claimed',
  /** The jobs of a dead worker are released, and it is still in the register. */
  'jobs-released',
  /** The end of a campaign is logged, and that is not stored. */
  'finish-reported',
  /** Dead channels are removed, and the sender has not processed the reply. */
  'dead-removed',
] as const

export type CrashPoint = (typeof crashPoints)[number]

/** `reached` is called at each crash point. */
export interface CrashPoints {
  readonly reached?: ((point: CrashPoint) => void) | undefined
}
