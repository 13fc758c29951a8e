import type { Job } from 'bullmq'
import { DelayedError } from 'bullmq'

/** Run a job again later. Always as a delayed job: that wakes an idle worker when it is due, even at once. */
export async function putOff(job: Job, delayMs: number, token: string | undefined): Promise<never> {
  await job.moveToDelayed(Date.now() + delayMs, token)
  throw new DelayedError()
}
