import { randomUUID } from 'node:crypto'
import type { AppId, CampaignId, OverLimitPolicy } from '@wns-fanout/domain'
import { byteOf, code, codeOf, isSettled, postsOf } from '@wns-fanout/domain'
import type {
  BatchRef,
  BatchTerms,
  CampaignDefinition,
  CampaignRecord,
  Checkpoint,
  CheckpointAnswer,
  CreateAnswer,
  GateChange,
  OpenAnswer,
  OpenBatch,
} from '@wns-fanout/state'
import { CampaignStore, Ledger, packUri, unpackUri } from '@wns-fanout/state'
import { nth } from '@wns-fanout/testing'
import type { Bench } from './support.ts'
import { keysOf, NEWS, setup, uriOf } from './support.ts'

export const PAGE = 512
export const tile: BatchTerms = {
  window: 4,
  delivery: 'at-least-once',
  type: 'tile',
  guardSeconds: 0,
  maxAttempts: 5,
  wantsVariables: false,
  wantsLocales: false,
}
export const toast: BatchTerms = { ...tile, delivery: 'at-most-once', type: 'toast' }

export interface CampaignOptions {
  readonly maxFailureShare?: number | undefined
  readonly id?: string
  readonly terms?: BatchTerms
  readonly policy?: OverLimitPolicy
  readonly topic?: string
  readonly topicIntervalMs?: number
  readonly startAtMs?: number
  readonly expiresAtMs?: number
  /** Ordinals of its recipients at the time of its creation; absent, they are not known. */
  readonly reach?: readonly number[]
}

/** Shorthands for channels, campaigns and batches of one app. */
export class Stage {
  readonly bench: Bench
  readonly ledger: Ledger
  readonly campaigns: CampaignStore
  readonly app: AppId

  constructor(bench: Bench = setup(), app: AppId = NEWS, ledger = new Ledger(bench.redis, bench.keys)) {
    this.bench = bench
    this.app = app
    this.ledger = ledger
    this.campaigns = new CampaignStore(bench.redis, bench.keys)
  }

  /** Registers the channels with these ordinals. */
  async channels(ordinals: readonly number[]): Promise<void> {
    const pipeline = this.bench.redis.pipeline()
    for (const ordinal of ordinals) {
      const page = Math.floor(ordinal / PAGE)
      const value = `ch-${ordinal}\0${packUri(uriOf(`u${ordinal}`))}\u00000;;`
      pipeline.hset(this.bench.keys.uri(this.app, page), String(ordinal % PAGE), value)
      pipeline.setbit(this.bench.keys.occupied(this.app), ordinal, 1)
    }
    await pipeline.exec()
  }

  async moveTo(ordinal: number, uri: string): Promise<void> {
    const key = this.bench.keys.uri(this.app, Math.floor(ordinal / PAGE))
    await this.bench.redis.hset(key, String(ordinal % PAGE), `ch-${ordinal}\0${packUri(uri)}\u00000;;`)
  }

  async uriAt(ordinal: number): Promise<string> {
    const key = this.bench.keys.uri(this.app, Math.floor(ordinal / PAGE))
    return unpackUri((await this.bench.redis.hget(key, String(ordinal % PAGE)))?.split('\0')[1] ?? '')
  }

  async stampAt(ordinal: number, type = 'tile'): Promise<number> {
    const key = this.bench.keys.stamp(this.app, type, Math.floor(ordinal / PAGE))
    const bytes = await this.bench.redis.getrangeBuffer(key, (ordinal % PAGE) * 4, (ordinal % PAGE) * 4 + 3)
    return bytes.length < 4 ? 0 : bytes.readUInt32BE()
  }

  async setStamp(ordinal: number, second: number, type = 'tile'): Promise<void> {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(second)
    const key = this.bench.keys.stamp(this.app, type, Math.floor(ordinal / PAGE))
    await this.bench.redis.setrange(key, (ordinal % PAGE) * 4, bytes)
  }

  /** Holds a channel until a second. */
  async holdChannel(ordinal: number, untilSecond: number): Promise<void> {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(0x8000_0000 + untilSecond)
    const key = this.bench.keys.hold(this.app, Math.floor(ordinal / PAGE))
    await this.bench.redis.setrange(key, (ordinal % PAGE) * 4, bytes)
  }

  /** What is stored of the holds of the first page, as numbers. */
  async holds(): Promise<number[]> {
    const bytes = (await this.bench.redis.getBuffer(this.bench.keys.hold(this.app, 0))) ?? Buffer.alloc(0)
    return Array.from({ length: bytes.length / 4 }, (_, slot) => bytes.readUInt32BE(slot * 4))
  }

  async isGated(ordinal: number): Promise<boolean> {
    return (await this.bench.redis.getbit(this.bench.keys.gated(this.app), ordinal)) === 1
  }

  async second(): Promise<number> {
    return Math.floor((await this.campaigns.redisNowMs()) / 1000)
  }

  async create(options: CampaignOptions = {}): Promise<CreateAnswer> {
    const reachKey = options.reach === undefined ? undefined : await this.bitmap(options.reach)
    return this.campaigns.create({
      definition: this.definition(options),
      policy: options.policy ?? 'reject',
      topicIntervalMs: options.topicIntervalMs ?? 0,
      reachKey,
      ...(options.startAtMs === undefined ? {} : { startAtMs: options.startAtMs }),
      ...(options.expiresAtMs === undefined ? {} : { expiresAtMs: options.expiresAtMs }),
    })
  }

  /** A temporary bitmap of these ordinals. */
  async bitmap(ordinals: readonly number[]): Promise<string> {
    const key = this.bench.keys.temporary(this.app, randomUUID())
    const pipeline = this.bench.redis.pipeline().setbit(key, 0, 0).expire(key, 3600)
    for (const ordinal of ordinals) pipeline.setbit(key, ordinal, 1)
    await pipeline.exec()
    return key
  }

  definition(options: CampaignOptions = {}): CampaignDefinition {
    const terms = options.terms ?? tile
    const definition: CampaignDefinition = {
      id: (options.id ?? 'c1') as CampaignId,
      app: this.app,
      request: {
        notification: { type: 'badge', value: 1 },
        audience: { all: true },
        ...(options.maxFailureShare === undefined ? {} : { maxFailureShare: options.maxFailureShare }),
      },
      update: 'generic',
      topic: options.topic ?? 'default',
      delivery: terms.delivery,
      priority: 'normal',
      guardSeconds: terms.guardSeconds,
      maxAttempts: terms.maxAttempts,
      retentionDays: 7,
      rawGates: true,
    }
    // The store takes the type from the request; the content does not matter here.
    const request = { ...definition.request, notification: { ...definition.request.notification, type: terms.type } }
    return { ...definition, request: request as CampaignDefinition['request'] }
  }

  /** Stores these ordinals as the audience, unless one is stored. */
  async freeze(ordinals: readonly number[], id: string = 'c1', unknownChannels?: number): Promise<string> {
    const draft = this.bench.keys.temporary(this.app, randomUUID())
    const pipeline = this.bench.redis.pipeline()
    for (const ordinal of ordinals) pipeline.setbit(draft, ordinal, 1)
    if (ordinals.length > 0) pipeline.expire(draft, 3600)
    await pipeline.exec()
    return this.campaigns.storeAudience(this.app, id as CampaignId, draft, { size: ordinals.length, unknownChannels })
  }

  /** A campaign that sends to these ordinals, none of them planned. */
  async frozen(ordinals: readonly number[], options: CampaignOptions = {}): Promise<CampaignId> {
    const id = (options.id ?? 'c1') as CampaignId
    await this.create(options)
    await this.campaigns.launch(this.app, id)
    await this.freeze(ordinals, id)
    return id
  }

  /** A campaign whose plan is complete with one batch of all its ordinals. */
  async sending(ordinals: readonly number[], options: CampaignOptions = {}): Promise<CampaignId> {
    const id = await this.frozen(ordinals, options)
    await this.channels(ordinals)
    const pages = ordinals.map((ordinal) => Math.floor(ordinal / PAGE))
    const [fromPage, toPage] = [Math.min(...pages), Math.max(...pages)]
    await this.ledger.plan(
      { app: this.app, campaign: id },
      {
        cursor: 0,
        nextCursor: toPage + 1,
        ends: true,
        batches: [{ fromPage, toPage, recipients: ordinals.length }],
      },
    )
    return id
  }

  ref(campaign: string = 'c1', seq = 0): BatchRef {
    return { app: this.app, campaign: campaign as CampaignId, seq }
  }

  open(terms: BatchTerms = tile, owner: string = randomUUID(), ref = this.ref()): Promise<OpenAnswer> {
    return this.ledger.open(ref, owner, terms)
  }

  /** Opens a batch, or throws. */
  async hold(terms: BatchTerms = tile, ref = this.ref()): Promise<Hand> {
    const owner = randomUUID()
    return new Hand(this, ref, owner, terms, openedBatch(await this.open(terms, owner, ref)))
  }

  async record(campaign = 'c1'): Promise<CampaignRecord> {
    const record = await this.campaigns.get(this.app, campaign as CampaignId)
    if (record === null) throw new Error(`there is no campaign ${campaign}`)
    return record
  }

  /** Remembers all keys of the app. The function restores them and removes later ones, as a loss of power does. */
  async remember(): Promise<() => Promise<void>> {
    const { redis, keys } = this.bench
    const ours = async (): Promise<string[]> =>
      (await keysOf(this.bench)).filter((key) => key.startsWith(keys.base(this.app)))
    const kept = await Promise.all((await ours()).map(async (key) => ({ key, value: await redis.dumpBuffer(key) })))
    return async () => {
      for (const key of await ours()) await redis.unlink(key)
      for (const { key, value } of kept) if (value !== null) await redis.restore(key, 0, value)
    }
  }

  /** The totals that are not 0. */
  async totals(campaign = 'c1'): Promise<Record<string, number>> {
    return Object.fromEntries(Object.entries((await this.record(campaign)).totals).filter(([, count]) => count !== 0))
  }

  async vector(ref = this.ref()): Promise<number[]> {
    const key = this.bench.keys.vector(ref.app, ref.campaign, ref.seq)
    return [...((await this.bench.redis.getBuffer(key)) ?? [])]
  }

  async codes(ref = this.ref()): Promise<number[]> {
    return (await this.vector(ref)).map(codeOf)
  }

  batch(field: string, ref = this.ref()): Promise<string | null> {
    return this.bench.redis.hget(this.bench.keys.batch(ref.app, ref.campaign, ref.seq), field)
  }
}

/** The open batch of an answer, or throws. */
export function openedBatch(answer: OpenAnswer): OpenBatch {
  if (answer.kind !== 'open') throw new Error(`the batch did not open: ${answer.kind}`)
  return answer
}

/** An owner with its batch: records outcomes, wants credit, checkpoints, ends. */
export class Hand {
  readonly stage: Stage
  readonly ref: BatchRef
  readonly owner: string
  readonly terms: BatchTerms
  readonly opened: OpenBatch
  readonly vector: Uint8Array
  number = 0
  #changed: number[] = []
  #last: Checkpoint | undefined

  constructor(stage: Stage, ref: BatchRef, owner: string, terms: BatchTerms, opened: OpenBatch) {
    this.stage = stage
    this.ref = ref
    this.owner = owner
    this.terms = terms
    this.opened = opened
    this.vector = opened.vector.slice()
  }

  get credited(): number[] {
    return [...this.vector.keys()].filter((position) => codeOf(this.vector[position] ?? 0) === code.credited)
  }

  /** Record the outcome of a post to each of these; pending codes too. */
  outcome(value: number, ...positions: readonly number[]): this {
    for (const position of positions) {
      this.vector[position] = byteOf(value, postsOf(this.vector[position] ?? 0) + 1)
      this.#changed.push(position)
    }
    return this
  }

  want(...positions: readonly number[]): this {
    for (const position of positions) this.vector[position] = byteOf(code.credited, postsOf(this.vector[position] ?? 0))
    return this
  }

  giveBack(): this {
    for (const position of this.credited)
      this.vector[position] = byteOf(code.pending, postsOf(nth(this.vector, position)))
    return this
  }

  async checkpoint(change: Partial<Checkpoint> = {}): Promise<CheckpointAnswer> {
    this.number += 1
    this.#last = {
      number: this.number,
      vector: this.vector.slice(),
      changed: this.#changed,
      dead: [],
      gates: [],
      samples: [],
      ...change,
    }
    this.#changed = []
    const answer = await this.again()
    if (answer.kind === 'ok') for (const { position, byte } of answer.adjusted) this.vector[position] = byte
    return answer
  }

  /** A change of the gate of the channel that was posted to, by default a second after any call of its app. */
  gate(position: number, change: Partial<GateChange> = {}): GateChange {
    return {
      ordinal: nth(this.opened.ordinals, position),
      uri: nth(this.opened.uris, position),
      postedSecond: Math.floor(this.opened.redisNowMs / 1000) + 1,
      closeRawGate: true,
      holdUntilSecond: 0,
      ...change,
    }
  }

  /** Repeat the last checkpoint, as after a lost reply. */
  again(): Promise<CheckpointAnswer> {
    if (this.#last === undefined) throw new Error('there was no checkpoint')
    return this.stage.ledger.checkpoint(this.ref, this.owner, this.opened, this.terms, this.#last)
  }

  /** Report these positions as dead under the URI of the open. */
  bury(value: number, ...positions: readonly number[]): Promise<CheckpointAnswer> {
    this.outcome(value, ...positions)
    return this.checkpoint({
      dead: positions.map((position) => ({
        position,
        ordinal: nth(this.opened.ordinals, position),
        uri: nth(this.opened.uris, position),
      })),
    })
  }

  close(): Promise<CheckpointAnswer> {
    return this.checkpoint({ end: 'close' })
  }

  /** Park with all credit returned; a park that clears stamps lists every pending position. */
  park(options: { readonly untilMs?: number; readonly clearStamps?: boolean } = {}): Promise<CheckpointAnswer> {
    const clearStamps = options.clearStamps ?? false
    this.giveBack()
    const pending = [...this.vector.keys()].filter((position) => !isSettled(codeOf(nth(this.vector, position))))
    return this.checkpoint({
      end: { parkUntilMs: options.untilMs ?? 0, clearStamps },
      changed: clearStamps ? [...this.#changed, ...pending] : this.#changed,
    })
  }
}

export function upTo(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, at) => from + at)
}
