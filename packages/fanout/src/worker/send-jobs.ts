import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import type { CampaignStore } from '@wns-fanout/state'
import type { Job } from 'bullmq'
import type { CrashPoints } from '../crash-points.ts'
import type { AppBreaker } from '../send/app-breaker.ts'
import type { BatchSender } from '../send/batch-sender.ts'
import type { BatchEnd } from '../send/types.ts'
import type { SendJob } from './batch-job.ts'
import { putOff } from './jobs.ts'
import type { Queues } from './queues.ts'
import type { UnusableLedgers } from './unusable-ledgers.ts'
import { OTHER_VERSION_MS } from './unusable-ledgers.ts'

export interface SendJobsDeps extends CrashPoints {
  readonly sender: Pick<BatchSender, 'send'>
  readonly ledgers: UnusableLedgers
  readonly campaigns: Pick<CampaignStore, 'get'>
  readonly queues: Pick<Queues, 'enqueue'>
  readonly emit: (event: FanoutEvent) => void
}

/** Runs the jobs of the queues `send-<app>`: each opens one batch, and ends or is delayed with it. */
export class SendJobs {
  readonly #deps: SendJobsDeps
  /** Jobs that end although their batch may still need one. */
  readonly #unfinished = new Set<string>()

  constructor(deps: SendJobsDeps) {
    this.#deps = deps
  }

  /** @param signal aborted when the app or the process stops */
  async run(
    app: AppId,
    breaker: AppBreaker,
    job: Job<SendJob>,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const end = await this.#send(app, breaker, job.data, signal)
    switch (end.kind) {
      case 'gone':
      case 'closed':
      case 'damaged':
        return
      case 'fenced':
        if (end.forgotten) this.#unfinished.add(job.id ?? '')
        return
      case 'other-version':
        return putOff(job, OTHER_VERSION_MS, token)
      case 'parked':
        if (end.reason === 'paused') {
          this.#unfinished.add(job.id ?? '')
          return
        }
        return putOff(job, end.delayMs, token)
      default:
        return end satisfies never
    }
  }

  /**
   * The job is removed. A batch that was parked because of a pause has no job now, and needs one if the campaign has
   * been resumed. The same holds for a batch that Redis lost.
   */
  async completed(app: AppId, { id = '', data: { campaign } }: Job<SendJob>): Promise<void> {
    this.#deps.reached?.('job-finished')
    if (!this.#unfinished.delete(id)) return
    const record = await this.#deps.campaigns.get(app, campaign)
    if (record?.state === 'sending') await this.#deps.queues.enqueue('reconcile', { app, campaign })
  }

  /** A batch whose ledger cannot be relied on is not tried again. */
  async #send(
    app: AppId,
    breaker: AppBreaker,
    { campaign, seq }: SendJob,
    signal: AbortSignal,
  ): Promise<BatchEnd | { readonly kind: 'gone' | 'damaged' | 'other-version' }> {
    try {
      return await this.#deps.sender.send({ app, campaign, seq }, breaker, signal)
    } catch (error) {
      return { kind: await this.#deps.ledgers.giveUp(app, campaign, error, seq) }
    }
  }
}
