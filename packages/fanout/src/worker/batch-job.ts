import type { CampaignId } from '@wns-fanout/domain'
import type { BulkJobOptions, JobsOptions } from 'bullmq'

/** A batch to send. A reference only: everything else is in the ledger. */
export interface SendJob {
  readonly campaign: CampaignId
  readonly seq: number
}

/** A batch always has the same job id, so adding its job again is harmless while it exists. */
export function batchJobId(campaign: CampaignId, seq: number): string {
  return `c${campaign}-b${seq}`
}

/** Options of all jobs. */
export const everyJob = {
  // BullMQ ignores a job when a record of an ended one has its id. Failures are in the ledger and the log.
  removeOnComplete: true,
  removeOnFail: true,
  // A batch is repeated until it is closed in the ledger, which also counts the attempts that matter.
  attempts: 1_000_000,
  // Not exponential: after a long outage of Redis, every batch would wait as long again.
  backoff: { type: 'fixed', delay: 2000, jitter: 0.5 },
  // A job is a reference of a hundred bytes; a large one would be a mistake that fills Redis. In bytes.
  sizeLimit: 8192,
} satisfies JobsOptions

export function batchJob(
  campaign: CampaignId,
  seq: number,
  turn: number,
  delayMs = 0,
): { name: string; data: SendJob; opts: BulkJobOptions } {
  return {
    name: 'send',
    data: { campaign, seq },
    opts: {
      ...everyJob,
      jobId: batchJobId(campaign, seq),
      // BullMQ runs jobs without a priority first, so every job has one; a small number goes first.
      priority: turn,
      ...(delayMs > 0 ? { delay: Math.ceil(delayMs) } : {}),
    },
  }
}

/** The campaign in the id of a batch's job. */
export function campaignOfJob(jobId: string): CampaignId | undefined {
  return /^c(.+)-b\d+$/.exec(jobId)?.[1] as CampaignId | undefined
}
