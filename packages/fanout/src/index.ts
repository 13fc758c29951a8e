export { LocalPermits } from './send/local-permits.ts'
export type { LocalPermitsOptions, Permit, PermitSource } from './send/local-permits.ts'
export type { BatchEnd, ParkReason, TokenSource } from './send/types.ts'
export {
  Campaigns,
  requestErrors as faultsOfRequest,
  timeErrors as faultsOfTimes,
  keyOfAnother,
} from './campaign/campaigns.ts'
export type { CampaignsDeps, Estimate, Sample } from './campaign/campaigns.ts'
export { BATCH_RECIPIENTS, cutBatches, ordinalsIn, popcount } from './plan/cut.ts'
export { conditionOf } from './condition.ts'
export { crashPoints } from './crash-points.ts'
export type { CrashPoint, CrashPoints } from './crash-points.ts'
export { backoffMs, decide } from './send/decide.ts'
export type { Attempt } from './send/decide.ts'
export { plan } from './plan/plan.ts'
export { Queues } from './worker/queues.ts'
export type { Result } from './campaign/results.ts'
export { NO_TIMES, ScheduleRunner } from './campaign/schedules.ts'
export type { ScheduleRunnerDeps } from './campaign/schedules.ts'
export type { AppCondition } from './campaign/view.ts'
export { FanoutWorker } from './worker/worker.ts'
export type { FanoutWorkerDeps } from './worker/worker.ts'
