import type { CampaignId } from '@wns-fanout/domain'

export interface SlotsOptions {
  /** Batches that keep the lanes of the process busy. */
  readonly busyBatches: number
  /** Places beyond those, for campaigns that have no batch in hand. */
  readonly freeSlots: number
  /** The campaign of the next batch in the queue; undefined if none waits. */
  readonly nextInQueue: () => Promise<CampaignId | undefined>
}

/** How often the jobs that wait for a place ask whether a newcomer waits behind them. */
const ASK_EVERY_MS = 200

/**
 * The batches of one app that a process has in hand. Once enough are in hand to keep the lanes busy, only a campaign
 * that has none gets a place. A job that waits here holds a place of the queue, so it gives way if such a campaign is
 * next.
 */
export class Slots {
  readonly #options: SlotsOptions
  readonly #inHand = new Map<CampaignId, number>()
  readonly #waiting = new Set<() => void>()
  #count = 0
  #mayAsk = true

  constructor(options: SlotsOptions) {
    this.#options = options
  }

  /**
   * Wait for a place.
   *
   * @returns a function that gives the place up, or undefined if the job must go back to the queue
   */
  async enter(campaign: CampaignId, signal: AbortSignal): Promise<(() => void) | undefined> {
    while (!this.#hasPlace(campaign)) {
      // The batch is handed back at once, without being opened.
      if (signal.aborted) break
      if (await this.#isNewcomerNext()) return undefined
      if (!this.#hasPlace(campaign)) await this.#change(signal)
    }
    return this.#take(campaign)
  }

  /** Asked once for all jobs that wait, since one of them gives way. False if it was asked just now. */
  async #isNewcomerNext(): Promise<boolean> {
    if (!this.#mayAsk) return false
    this.#mayAsk = false
    setTimeout(() => {
      this.#mayAsk = true
    }, ASK_EVERY_MS).unref()
    const next = await this.#options.nextInQueue()
    return next !== undefined && !this.#inHand.has(next)
  }

  #hasPlace(campaign: CampaignId): boolean {
    const { busyBatches, freeSlots } = this.#options
    return this.#count < (this.#inHand.has(campaign) ? busyBatches : busyBatches + freeSlots)
  }

  #take(campaign: CampaignId): () => void {
    this.#count += 1
    this.#inHand.set(campaign, (this.#inHand.get(campaign) ?? 0) + 1)
    return () => {
      this.#count -= 1
      const left = (this.#inHand.get(campaign) ?? 0) - 1
      if (left > 0) this.#inHand.set(campaign, left)
      else this.#inHand.delete(campaign)
      for (const wake of this.#waiting) wake()
    }
  }

  /** Resolves when a place was given up, when it is time to ask again, or when the process stops. */
  async #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ASK_EVERY_MS)
    this.#waiting.add(resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    clearTimeout(timer)
    this.#waiting.delete(resolve)
  }
}
