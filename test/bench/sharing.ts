import { setTimeout as wait } from 'node:timers/promises'
import type { CampaignRequest } from '@wns-fanout/domain'
import type { TestStack } from '../support/stack.ts'
import { follow, isFinished, prepareApp, putApp, rounded, sidOf } from './support/campaign.ts'

export interface SharingOptions {
  readonly recipients: number
  /** Small campaigns, and urgent ones, at each rate. */
  readonly tries: number
  readonly say: (line: string) => void
}

/** How the campaigns of one app share its rate, over all rates: each figure is the worst. */
export interface Sharing {
  /** From the request to the first settled recipient, and to the last, of a campaign to 50 beside a broadcast. */
  readonly smallFirstPostMs: number
  readonly smallSettledMs: number
  /** From the request to the first settled recipient of an urgent campaign. */
  readonly urgentFirstPostMs: number
  /** How far the share of any of 2 or 5 equal broadcasts is from equal, over 5 s from the start of the newest. */
  readonly shareError: number
  /** The share of the rate that a broadcast gets beside urgent campaigns without a break. */
  readonly bulkShare: number
}

const APP = 'sharing'
const rates = [300, 5000]
const SMALL = 50
const WINDOW_MS = 5000
const STREAM_MS = 10_000

/** Exempt from the guard, so that several campaigns may reach the same channels. */
function hello(type: 'tile' | 'toast', audience: CampaignRequest['audience']): CampaignRequest {
  const text = 'Hello {{vars.name|there}}'
  return {
    notification:
      type === 'tile' ? { type, content: { medium: { lines: [text] } } } : { type, content: { title: text } },
    audience,
    update: 'personalized',
  }
}

export async function benchSharing(stack: TestStack, { recipients, tries, say }: SharingOptions): Promise<Sharing> {
  const app = { app: APP, client: sidOf(3) }
  await prepareApp(stack, { ...app, channels: recipients, ratePerSecond: rates[0] ?? 1 })
  const bench = new SharingBench(stack, recipients)
  const found: Sharing[] = []
  for (const ratePerSecond of rates) {
    await putApp(stack, { ...app, ratePerSecond })
    const besideBroadcast = await bench.besideBroadcast(tries)
    const shareError = Math.max(await bench.shareError(2), await bench.shareError(5))
    found.push({ ...besideBroadcast, shareError })
    say(`${ratePerSecond}/s: ${JSON.stringify(found.at(-1))}`)
  }
  const worst = (figure: keyof Sharing, of: typeof Math.max): number => of(...found.map((each) => each[figure]))
  return {
    smallFirstPostMs: worst('smallFirstPostMs', Math.max),
    smallSettledMs: worst('smallSettledMs', Math.max),
    urgentFirstPostMs: worst('urgentFirstPostMs', Math.max),
    shareError: worst('shareError', Math.max),
    bulkShare: worst('bulkShare', Math.min),
  }
}

class SharingBench {
  readonly #stack: TestStack
  readonly #recipients: number
  #used = 0

  constructor(stack: TestStack, recipients: number) {
    this.#stack = stack
    this.#recipients = recipients
  }

  /** Small and urgent campaigns beside one broadcast. */
  async besideBroadcast(tries: number): Promise<Omit<Sharing, 'shareError'>> {
    const broadcast = await this.#startBroadcast()
    const small: Interlude[] = []
    const urgent: Interlude[] = []
    for (let n = 0; n < tries; n += 1) small.push(await this.#interlude('normal'))
    for (let n = 0; n < tries; n += 1) urgent.push(await this.#interlude('urgent'))
    const bulkShare = await this.#besideUrgentStream(broadcast)
    await this.#cancel([broadcast])
    return {
      smallFirstPostMs: Math.max(...small.map(({ firstMs }) => firstMs)),
      smallSettledMs: Math.max(...small.map(({ settledMs }) => settledMs)),
      urgentFirstPostMs: Math.max(...urgent.map(({ firstMs }) => firstMs)),
      bulkShare,
    }
  }

  /** `count` equal broadcasts, of which the last starts two seconds after the others. */
  async shareError(count: number): Promise<number> {
    const ids = await Promise.all(Array.from({ length: count - 1 }, () => this.#startBroadcast()))
    await wait(2000)
    ids.push(await this.#startBroadcast())
    const before = await this.#settled(ids)
    await wait(WINDOW_MS)
    const after = await this.#settled(ids)
    await this.#cancel(ids)
    const gained = after.map((settled, at) => settled - (before[at] ?? 0))
    const all = gained.reduce((sum, each) => sum + each, 0)
    return rounded(Math.max(...gained.map((each) => Math.abs((each * count) / all - 1))))
  }

  /** The broadcast's share of all that is sent while there is always an urgent campaign. */
  async #besideUrgentStream(broadcast: string): Promise<number> {
    const endsAtMs = performance.now() + STREAM_MS
    const [before = 0] = await this.#settled([broadcast])
    let urgent = 0
    while (performance.now() < endsAtMs) {
      this.#used += 1
      const sample = { share: Math.min(1, 2000 / this.#recipients), seed: this.#used }
      const { id } = await this.#stack.api.createCampaign(APP, {
        ...hello('toast', { all: true }),
        sample,
        priority: 'urgent',
        topic: `stream-${this.#used}`,
      })
      const now = await follow(this.#stack, id, (each) => isFinished(each) || performance.now() >= endsAtMs, {
        everyMs: 20,
      })
      urgent += now.totals.accepted
      if (!isFinished(now)) await this.#cancel([id])
    }
    const [after = 0] = await this.#settled([broadcast])
    return rounded((after - before) / (after - before + urgent))
  }

  async #startBroadcast(): Promise<string> {
    const request = { ...hello('tile', { all: true }), topic: `broadcast-${(this.#used += 1)}` }
    const { id } = await this.#stack.api.createCampaign(APP, request)
    await follow(this.#stack, id, ({ totals }) => totals.accepted > 0, { everyMs: 20 })
    return id
  }

  async #interlude(priority: 'normal' | 'urgent'): Promise<Interlude> {
    this.#used += 1
    const first = (this.#used * SMALL) % (this.#recipients - SMALL)
    const channels = Array.from({ length: SMALL }, (_, n) => `device-${first + n}`)
    const startedAtMs = performance.now()
    const request = { ...hello('toast', { channels }), topic: `small-${this.#used}`, priority }
    const { id } = await this.#stack.api.createCampaign(APP, request)
    let firstMs: number | undefined
    await follow(
      this.#stack,
      id,
      (now) => {
        if (now.totals.accepted > 0) firstMs ??= performance.now() - startedAtMs
        return isFinished(now)
      },
      { everyMs: 10 },
    )
    const settledMs = Math.round(performance.now() - startedAtMs)
    return { firstMs: Math.round(firstMs ?? settledMs), settledMs }
  }

  async #settled(ids: readonly string[]): Promise<readonly number[]> {
    const campaigns = await Promise.all(ids.map((id) => this.#stack.api.campaign(id)))
    return campaigns.map(({ totals }) => this.#recipients - totals.pending)
  }

  async #cancel(ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.#stack.api.cancelCampaign(id)
    for (const id of ids) await follow(this.#stack, id, isFinished, { everyMs: 20 })
  }
}

interface Interlude {
  readonly firstMs: number
  readonly settledMs: number
}
