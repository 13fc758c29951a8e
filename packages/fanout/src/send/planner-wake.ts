import type { BatchRef } from '@wns-fanout/state'
import type { CampaignId } from '@wns-fanout/domain'
import { WAKE_AT } from '../plan/plan.ts'
import type { Queues } from '../worker/queues.ts'

/** Campaigns whose last request is remembered. */
const MAX_REMEMBERED = 1000

/** Wakes the planner of a campaign when few planned batches are left, once for each place in the plan. */
export class PlannerWake {
  readonly #queues: Pick<Queues, 'enqueue'>
  readonly #woken = new Map<CampaignId, string>()

  constructor(queues: Pick<Queues, 'enqueue'>) {
    this.#queues = queues
  }

  /** @param end `live` batches are planned and not closed; `planCursor` is where the plan continues, -1 if complete */
  async wake(
    { app, campaign }: BatchRef,
    { live, planCursor }: { readonly live: number; readonly planCursor: number },
  ): Promise<void> {
    if (planCursor < 0 || live >= WAKE_AT) return
    // Once more when all planned batches are done: a canary waits for that.
    const occasion = live === 0 ? `${planCursor}-done` : String(planCursor)
    if (this.#woken.get(campaign) === occasion) return
    await this.#queues.enqueue('plan', { app, campaign }, occasion)
    if (this.#woken.size >= MAX_REMEMBERED) this.#woken.clear()
    this.#woken.set(campaign, occasion)
  }

  forget(): void {
    this.#woken.clear()
  }
}
