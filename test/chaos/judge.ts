import { createInterface } from 'node:readline'
import { codeOf, classOf, classes, code as codes, emptyTotals } from '@wns-fanout/domain'
import type { Campaign, RecipientClass, Totals } from '@wns-fanout/domain'
import type { ChaosCampaign } from './load.ts'
import type { Figures } from './figures.ts'
import { sumOf } from './figures.ts'
import { finishedCampaign, tokenOf } from './load.ts'
import type { AnySystem } from './system.ts'

/** Credit of a batch: the maximum in doubt when its owner is lost. Written here again, not imported. */
export const creditWindow = { 'at-least-once': 256, 'at-most-once': 64 } as const

export interface Verdict extends Figures {
  /** Every promise that was broken, in words; empty is a pass. */
  readonly broken: readonly string[]
}

export interface Posts {
  readonly posts: number
  readonly accepted: number
  /** Posts that never got a complete answer, so that the sender cannot know what became of them. */
  readonly unanswered: number
}

/** Judges finished campaigns by the simulator's record of posts; the sender's own counts are only compared. */
export async function judge(system: AnySystem, campaigns: readonly ChaosCampaign[]): Promise<Verdict> {
  const record = await postsOf(system)
  const broken: string[] = []
  const verdicts: Verdict[] = []
  const reached = new Map<string, Set<string>>()
  const unlisted = new Map<string, string>()
  for (const campaign of campaigns) {
    const one = await judgeCampaign(system, campaign, record, reached, unlisted)
    verdicts.push(one)
    broken.push(...one.broken.map((what) => `campaign ${campaign.id} of ${campaign.app}: ${what}`))
  }
  broken.push(...unlisted.values(), ...(await judgeRequests(system)))
  const sum = sumOf(verdicts)
  system.judged(sum)
  return { ...sum, broken }
}

/** What was posted, by the token of the channel. */
export async function postsOf(system: AnySystem): Promise<ReadonlyMap<string, Posts>> {
  const found = new Map<string, Posts>()
  const { body } = await system.control('GET', '/v1/posts')
  for await (const line of createInterface({ input: body, crlfDelay: Infinity })) {
    if (line === '') continue
    const { token, posts, accepted, unanswered } = JSON.parse(line) as Posts & { token: string }
    found.set(token, { posts, accepted, unanswered })
  }
  return found
}

/** I10: every post carried the token of the app that owns the channel, and was a proper request. */
async function judgeRequests(system: AnySystem): Promise<string[]> {
  const stats = (await (await system.control('GET', '/v1/stats')).body.json()) as Record<string, number>
  return ['wrongApp', 'badHeader', 'badRequest', 'wrongLength', 'pipelined', 'chunked', 'http2Attempts'].flatMap(
    (name) => (stats[name] === 0 ? [] : [`the simulator counted ${name} ${stats[name]}`]),
  )
}

async function judgeCampaign(
  system: AnySystem,
  { app, id, delivery, behaviours }: ChaosCampaign,
  record: ReadonlyMap<string, Posts>,
  reached: Map<string, Set<string>>,
  /** Accepted by WNS but not reported so; a later campaign of the app may have caused it. */
  unlisted: Map<string, string>,
): Promise<Verdict> {
  const broken: string[] = []
  const view = await finishedCampaign(system, id, 10_000)
  const ledger = await readLedger(system, app, id)
  const counts = emptyTotals()
  const before = reached.get(app) ?? new Set<string>()
  reached.set(app, new Set(before))
  const batches = ledger.batches.map((batch) => ({ ...batch, extra: 0, uncertain: 0 }))
  let [lost, duplicates, ambiguousRetries, sentTwice, recipients, batchAt, inBatch] = [0, 0, 0, 0, 0, 0, 0]
  const seen = new Set<string>()
  for await (const result of system.api.results(id)) {
    recipients += 1
    counts[result.class] += 1
    if (seen.has(result.channel)) broken.push(`two results for ${result.channel}`)
    seen.add(result.channel)
    while (batchAt < batches.length && inBatch >= (batches[batchAt]?.recipients ?? 0))
      [batchAt, inBatch] = [batchAt + 1, 0]
    inBatch += 1
    const batch = batches[batchAt]
    const n = Number(result.channel.slice(1))
    const behaviour = behaviours[n] ?? ''
    const posts = record.get(tokenOf(app, n, behaviour)) ?? { posts: 0, accepted: 0, unanswered: 0 }
    // An earlier campaign of the app got through to this channel: the guard lets nothing more pass.
    const guarded = before.has(result.channel)
    if (result.class === 'pending' || (result.class === 'accepted' && posts.accepted === 0)) lost += 1
    if (guarded && (result.class === 'accepted' || result.class === 'in_doubt'))
      broken.push(`${result.channel} got a second generic update within the interval (I12)`)
    const name = `${app} ${result.channel}`
    if (result.class === 'accepted' || result.class === 'in_doubt') unlisted.delete(name)
    // Its posts are counted together with those of the earlier campaign, which is judged by them.
    if (before.size > 0) continue
    if (result.class === 'accepted' || result.class === 'in_doubt') reached.get(app)?.add(result.channel)
    const extra = Math.max(0, posts.accepted - 1)
    duplicates += extra
    if (posts.unanswered > 0) ambiguousRetries += Math.min(posts.unanswered, posts.posts - 1)
    else if (batch !== undefined) {
      batch.extra += extra
      if (result.class === 'in_doubt') batch.uncertain += 1
    }
    if (delivery === 'at-most-once') {
      if (Math.max(posts.accepted, posts.unanswered) > 1) sentTwice += 1
      if (posts.accepted > 0 && result.class !== 'accepted' && result.class !== 'in_doubt')
        unlisted.set(name, `${name}, ${behaviour}, was accepted by WNS and is reported as ${result.class}`)
    }
  }
  const window = creditWindow[delivery]
  for (const [seq, { extra, uncertain, takeovers }] of batches.entries()) {
    if (extra > window * takeovers)
      broken.push(`batch ${seq}: ${extra} duplicates in ${takeovers} takeovers with a window of ${window} (I2)`)
    if (uncertain > window * takeovers)
      broken.push(`batch ${seq}: ${uncertain} in doubt in ${takeovers} takeovers with a window of ${window} (I2)`)
  }
  if (recipients !== view.audienceSize)
    broken.push(`${recipients} results for an audience of ${view.audienceSize} (I1)`)
  lost += Math.max(0, (view.audienceSize ?? 0) - recipients)
  const counterError = difference(view.totals, counts)
  broken.push(...judgeLedger(view, ledger))
  if (lost > 0) broken.push(`${lost} recipients are lost (I1)`)
  if (counterError > 0) broken.push(`the totals are off by ${counterError} (I4)`)
  const duplicateBound = delivery === 'at-most-once' ? 0 : window * ledger.takeovers + ambiguousRetries
  if (duplicates > duplicateBound) broken.push(`${duplicates} duplicates exceed the bound of ${duplicateBound} (I2)`)
  if (sentTwice > 0) broken.push(`${sentTwice} recipients of an at-most-once campaign were sent to twice (I3)`)
  const { takeovers } = ledger
  const inDoubt = counts.in_doubt
  return {
    recipients,
    takeovers,
    lost,
    duplicates,
    duplicateBound,
    ambiguousRetries,
    sentTwice,
    inDoubt,
    counterError,
    broken,
  }
}

function difference(reported: Totals, counted: Totals): number {
  return classes.reduce((so, name) => so + Math.abs(reported[name] - counted[name]), 0)
}

interface LedgerView {
  readonly takeovers: number
  readonly planned: number
  readonly closed: number
  readonly live: number
  readonly batches: readonly { readonly recipients: number; readonly takeovers: number }[]
}

async function readLedger({ look, keys }: AnySystem, app: string, id: string): Promise<LedgerView> {
  const fields = await look.hgetall(keys.campaign(app, id))
  const planned = Number(fields['planned'] ?? 0)
  const pipeline = look.pipeline()
  for (let seq = 0; seq < planned; seq += 1) pipeline.hmget(keys.batch(app, id, seq), 'range', 'takeovers')
  const batches = ((await pipeline.exec()) ?? []).map(([, found]) => {
    const [range, takeovers] = found as (string | null)[]
    return { recipients: Number(range?.split(',')[2] ?? 0), takeovers: Number(takeovers ?? 0) }
  })
  return {
    takeovers: Number(fields['takeovers'] ?? 0),
    planned,
    closed: Number(fields['closed'] ?? 0),
    live: await look.scard(keys.live(app, id)),
    batches,
  }
}

/** I5: each batch is closed once, and nothing is left behind. */
function judgeLedger(view: Campaign, { planned, closed, live, takeovers, batches }: LedgerView): string[] {
  const broken: string[] = []
  if (planned !== closed) broken.push(`${planned} batches were planned and ${closed} closed (I5)`)
  if (live > 0) broken.push(`${live} batches are still called live (I5)`)
  const sum = batches.reduce((so, batch) => so + batch.takeovers, 0)
  if (sum !== takeovers) broken.push(`its batches were taken over ${sum} times, the campaign shows ${takeovers}`)
  if (view.totals.pending > 0) broken.push(`${view.totals.pending} are pending in a finished campaign (I1)`)
  return broken
}

/** What an observer sees of one campaign while everything is on fire. */
export class Watch {
  readonly #system: AnySystem
  readonly #campaign: ChaosCampaign
  readonly #vectors = new Map<number, { fence: number; vector: Buffer }>()
  readonly broken: string[] = []

  constructor(system: AnySystem, campaign: ChaosCampaign) {
    this.#system = system
    this.#campaign = campaign
  }

  /** One look, atomic inside Redis: I4, I6 and I9 hold at every instant. Throws while Redis is away. */
  async look(): Promise<void> {
    const { look, keys } = this.#system
    const { app, id } = this.#campaign
    const planned = Number((await look.hget(keys.campaign(app, id), 'planned')) ?? 0)
    const atomic = look.multi().hgetall(keys.campaign(app, id))
    for (let seq = 0; seq < planned; seq += 1) {
      atomic.hmget(keys.batch(app, id, seq), 'range', 'fence', 'closedAs').getBuffer(keys.vector(app, id, seq))
    }
    const replies = ((await atomic.exec()) ?? []).map(([error, value]) => {
      if (error !== null) throw error
      return value
    })
    const fields = replies[0] as Record<string, string>
    const counted = emptyTotals()
    for (let seq = 0; seq < planned; seq += 1) {
      const [range, fence, all] = replies[1 + seq * 2] as (string | null)[]
      const vector = replies[2 + seq * 2] as Buffer | null
      if (vector !== null) this.#lookAtBatch(seq, Number(fence ?? 0), vector, counted)
      else if (all !== null && all !== undefined)
        counted[classOf(codeOf(Number(all)))] += Number(range?.split(',')[2] ?? 0)
    }
    const wrong = classes.filter((name) => name !== 'pending' && isOff(name, fields, counted))
    // What was never planned is counted without a batch, once the campaign has stopped.
    if (wrong.length > 0 && fields['stopCode'] === undefined)
      this.broken.push(`campaign ${id}: totals of ${wrong.join(', ')} differ from the vectors in mid-flight (I4)`)
  }

  #lookAtBatch(seq: number, fence: number, vector: Buffer, counted: Totals): void {
    const before = this.#vectors.get(seq)
    this.#vectors.set(seq, { fence, vector })
    const where = `campaign ${this.#campaign.id} batch ${seq}`
    if (before !== undefined && fence < before.fence) this.broken.push(`${where}: the fence went back (I6)`)
    let credited = 0
    for (const [position, byte] of vector.entries()) {
      const now = codeOf(byte)
      counted[classOf(now)] += 1
      if (now === codes.credited) credited += 1
      const was = codeOf(before?.vector[position] ?? 0)
      if (classOf(was) !== 'pending' && was !== now)
        this.broken.push(`${where}: recipient ${position} went from ${classOf(was)} to another outcome (I6)`)
    }
    if (credited > creditWindow[this.#campaign.delivery]) this.broken.push(`${where}: ${credited} credited (I9)`)
  }
}

function isOff(name: RecipientClass, fields: Readonly<Record<string, string>>, counted: Totals): boolean {
  return Number(fields[`total:${name}`] ?? 0) !== counted[name]
}
