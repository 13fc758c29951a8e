import type { BatchRef } from '@wns-fanout/state'
import type { CampaignId } from '@wns-fanout/domain'
import { MAX_LIVE_BATCHES } from '../plan/look-ahead.ts'
import type { Queues } from '../worker/queues.ts'

/** Campaigns whose last request is remembered. */
const MAX_REMEMBERED = 1000

/** The plan of a campaign as the ledger had it when a batch ended. */
export interface PlanState {
  /** Batches planned and not closed. */
  readonly live: number
  /** Live batches that are open or wait for a worker. */
  readonly active: number
  /** The planner is woken when fewer batches than this are active. */
  readonly wakeAt: number
  /** Batches planned so far, -1 if the plan is complete. */
  readonly planPosition: number
}

/** Wakes the planner of a campaign when half of its look-ahead is used up, once for each place in the plan. */
export class PlannerWake {
  readonly #queues: Pick<Queues, 'enqueue'>
  readonly #woken = new Map<CampaignId, string>()

  constructor(queues: Pick<Queues, 'enqueue'>) {
    this.#queues = queues
  }

  async wake({ app, campaign }: BatchRef, { live, active, wakeAt, planPosition }: PlanState): Promise<void> {
    if (planPosition < 0 || active >= wakeAt || live >= MAX_LIVE_BATCHES) return
    // Once more when all planned batches are done: a canary waits for that.
    const occasion = live === 0 ? `${planPosition}-done` : `${planPosition}-${wakeAt}`
    if (this.#woken.get(campaign) === occasion) return
    await this.#queues.enqueue('plan', { app, campaign }, occasion)
    if (this.#woken.size >= MAX_REMEMBERED) this.#woken.clear()
    this.#woken.set(campaign, occasion)
  }

  forget(): void {
    this.#woken.clear()
  }
}
