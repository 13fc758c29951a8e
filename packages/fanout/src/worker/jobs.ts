import type { Job } from 'bullmq'
import { DelayedError } from 'bullmq'
import type { SendJob } from './queues.ts'
import { begunPriority, jobPriority } from './queues.ts'

/** Run a job again later. Always as a delayed job: that wakes an idle worker when it is due, even at once. */
export async function putOff(job: Job, delayMs: number, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token)
  throw new DelayedError()
}

/**
 * Give the job of a batch the priority of a begun one, or its own again. Costs a command only for a batch that was left
 * in the middle, and once more when it is parked for another reason.
 */
export async function prioritize(job: Job<SendJob>, isBegun: boolean): Promise<void> {
  const planned = job.opts.priority ?? jobPriority.normal
  const priority = isBegun ? begunPriority(planned) : planned
  if (job.priority !== priority) await job.changePriority({ priority })
}
