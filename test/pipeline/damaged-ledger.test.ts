import { until } from '@wns-fanout/testing'
import { Readable } from 'node:stream'
import type { AppId, Campaign, CampaignId, Totals } from '@wns-fanout/domain'
import { byteOf, classes, code } from '@wns-fanout/domain'
import type { BatchTerms, Checkpoint, RedisConnection } from '@wns-fanout/state'
import { CampaignStore, Keys, Ledger, closeRedis, connectRedis } from '@wns-fanout/state'
import * as fc from 'fast-check'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { importLine, packageSid, registerApp } from '../support/apps.ts'
import { sumsUp } from '../support/campaigns.ts'
import { metric, some, tile } from './support.ts'

const app = 'torn' as AppId
/** In the middle of a case: closed, parked with two of its three settled, held by an owner that died, never opened. */
const BATCHES = 4
const IN_BATCH = 3
const AUDIENCE = BATCHES * IN_BATCH
/** Ordinals so far apart that they are never in one batch. */
const APART = 4096 * 512

interface Place {
  readonly redis: RedisConnection
  /** Of the campaign, and of what belongs to it. */
  readonly campaign: string
  readonly batch: (seq: number) => string
  readonly vector: (seq: number) => string
  readonly targets: string
  readonly live: string
}

type Damage = (place: Place) => Promise<unknown>

function set(field: string, value: string): Damage {
  return ({ redis, campaign }) => redis.hset(campaign, field, value)
}
function unset(...fields: string[]): Damage {
  return ({ redis, campaign }) => redis.hdel(campaign, ...fields)
}
function setInBatch(seq: number, field: string, value: string): Damage {
  return ({ redis, batch }) => redis.hset(batch(seq), field, value)
}
function unsetInBatch(seq: number, ...fields: string[]): Damage {
  return ({ redis, batch }) => redis.hdel(batch(seq), ...fields)
}
function vectorOf(seq: number, ...bytes: number[]): Damage {
  return ({ redis, vector }) => redis.set(vector(seq), Buffer.from(bytes))
}
function otherType(key: (place: Place) => string): Damage {
  return async (place) => {
    await place.redis.del(key(place))
    // A type that nothing of a campaign has.
    await place.redis.zadd(key(place), 1, 'x')
  }
}
function gone(...keys: ((place: Place) => string)[]): Damage {
  return (place) => place.redis.del(...keys.map((key) => key(place)))
}

/** Each of these halts the campaign. */
const damages: Record<string, Damage> = {
  'a vector that vanished': gone((at) => at.vector(1)),
  'the vector of a batch that a dead owner held': gone((at) => at.vector(2)),
  'two vectors that vanished': gone(
    (at) => at.vector(1),
    (at) => at.vector(2),
  ),
  'a vector cut short': vectorOf(1, 39),
  'a vector that grew': vectorOf(1, 39, 39, 34, 34),
  'credit in a parked batch': vectorOf(1, 39, 39, 33),
  'an empty vector': vectorOf(1),
  'a vector of another type': otherType((at) => at.vector(1)),
  'a batch that vanished': gone((at) => at.batch(1)),
  'a batch that vanished with its vector': gone(
    (at) => at.batch(1),
    (at) => at.vector(1),
  ),
  'two neighbors that vanished': gone(
    (at) => at.batch(1),
    (at) => at.batch(2),
  ),
  'a batch of another type': otherType((at) => at.batch(1)),
  'no range': unsetInBatch(1, 'range'),
  'a range of text': setInBatch(1, 'range', '__proto__'),
  'a range backwards': setInBatch(1, 'range', '4097,4096,3'),
  'a range without recipients': setInBatch(1, 'range', '4096,4096,0'),
  'a range of too many': setInBatch(1, 'range', '4096,4096,4'),
  'a range without end': setInBatch(1, 'range', '0,4294967295,3'),
  'no fence': unsetInBatch(1, 'fence'),
  'a fence of text': setInBatch(1, 'fence', 'constructor'),
  'a negative fence': setInBatch(1, 'fence', '-1'),
  'no owner': unsetInBatch(1, 'owner'),
  'no state': unsetInBatch(1, 'state'),
  'an unknown state': setInBatch(1, 'state', 'closing'),
  'takeovers of text': setInBatch(1, 'takeovers', 'NaN'),
  'a due time of text': setInBatch(1, 'dueAt', 'tomorrow'),
  'the vector of a closed batch that vanished': gone((at) => at.vector(0)),
  'a closed batch that vanished with its vector': gone(
    (at) => at.batch(0),
    (at) => at.vector(0),
  ),
  'a batch that is marked as closed': setInBatch(1, 'closed', '1'),
  'a closed batch that is listed as live': ({ redis, live }) => redis.sadd(live, '0'),
  'no frozen audience': gone((at) => at.targets),
  'an audience of another type': otherType((at) => at.targets),
  'an audience cut short': ({ redis, targets }) => redis.set(targets, Buffer.from([255])),
  'one recipient more': ({ redis, targets }) => redis.setbit(targets, APART + 500, 1),
  'no live batches': gone((at) => at.live),
  'live batches of another type': otherType((at) => at.live),
  'a live batch that is no number': ({ redis, live }) => redis.sadd(live, '__proto__'),
  'an unknown state of the campaign': set('state', 'flying'),
  'no state of the campaign': unset('state'),
  'no definition': unset('definition'),
  'a definition of text': set('definition', '{'),
  'another definition': set('definition', '{"__proto__":{"polluted":1}}'),
  'no size': unset('audienceSize'),
  'a size of text': set('audienceSize', 'many'),
  'a size that is too small': set('audienceSize', '5'),
  'a negative size': set('audienceSize', '-9'),
  'planned of text': set('planned', '4x'),
  'planned too many': set('planned', '6'),
  'planned too few': set('planned', '3'),
  'closed of text': set('closed', 'all'),
  'closed too many': set('closed', '3'),
  'a negative total': set('total:accepted', '-1'),
  'a total of text': set('total:accepted', 'lots'),
  'a total that is too large': set('total:failed', '20'),
  'a total that was lost': unset('total:accepted'),
  'no end': unset('expiresAt'),
  'an end of text': set('expiresAt', 'never'),
  'a version of text': set('version', 'one'),
  'half of the campaign gone': unset(
    'definition',
    'state',
    'audienceSize',
    'planned',
    'type',
    'topic',
    'id',
    'createdAt',
    'total:accepted',
  ),
  'the campaign of another type': otherType((at) => at.campaign),
  'no campaign at all': gone((at) => at.campaign),
  'little left but the vectors': gone(
    (at) => at.campaign,
    (at) => at.targets,
    (at) => at.live,
    (at) => at.batch(0),
    (at) => at.batch(1),
    (at) => at.batch(2),
  ),
}

/** Nothing depends on these: the campaign completes. */
const harmless: Record<string, Damage> = {
  nothing: async () => undefined,
  'another owner': setInBatch(1, 'owner', 'another'),
  'no number of the last checkpoint': unsetInBatch(1, 'checkpoint'),
  'no takeovers': unsetInBatch(1, 'takeovers', 'losses', 'suspect'),
  'no due time': unsetInBatch(1, 'dueAt'),
  'a pace of text': set('ratePerSecond', 'fast'),
  'a window of text': unset('rateSince'),
  'no seal': unset('planComplete'),
}

/** The audience itself is gone or was written into: its recipients count, but not all of them can be named. */
const nameless = new Set([
  'no frozen audience',
  'an audience of another type',
  'an audience cut short',
  'little left but the vectors',
])

/** A newer worker may send these; until then they are left as they are. */
const leftAlone: Record<string, Damage> = {
  'a newer version': set('version', '2'),
  'no version': unset('version'),
}

const campaignFields = [
  'id',
  'definition',
  'type',
  'topic',
  'topicIntervalMs',
  'state',
  'createdAt',
  'startAt',
  'expiresAt',
  'planned',
  'closed',
]
const moreFields = [
  'cursor',
  'policy',
  'audienceSize',
  'planComplete',
  'plannedRecipients',
  'posts',
  'answers',
  'takeovers',
  'total:accepted',
]
const batchFields = [
  'range',
  'owner',
  'fence',
  'checkpoint',
  'stampedAt',
  'state',
  'dueAt',
  'takeovers',
  'losses',
  'suspect',
  'settled',
  'closed',
  'closedAs',
  'recoveredOwners',
]
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.integer().map(String),
  fc.constantFrom('', '-1', '__proto__', '1e309', 'NaN', '0'),
)
const anySeq = fc.nat(BATCHES - 1)
/** Random bytes in a random place. */
const anyDamage: fc.Arbitrary<Damage> = fc.oneof(
  fc
    .record({ field: fc.constantFrom(...campaignFields, ...moreFields), text: anyText })
    .map(({ field, text }) => set(field, text)),
  fc
    .record({ seq: anySeq, field: fc.constantFrom(...batchFields), text: anyText })
    .map(({ seq, field, text }) => setInBatch(seq, field, text)),
  fc
    .record({ seq: anySeq, bytes: fc.array(fc.nat(255), { maxLength: 5 }) })
    .map(({ seq, bytes }) => vectorOf(seq, ...bytes)),
  fc.uint8Array({ maxLength: 9 }).map(
    (bytes): Damage =>
      ({ redis: connection, targets }) =>
        connection.setrange(targets, 0, Buffer.from(bytes)),
  ),
  anyText.map(
    (text): Damage =>
      ({ redis: connection, live }) =>
        connection.sadd(live, text),
  ),
)
const anything = Object.fromEntries(
  fc.sample(anyDamage, { seed: 7, numRuns: 40 }).map((damage, nth) => [`random ${nth}`, damage]),
)

const cases = [damages, harmless, leftAlone, anything].flatMap((of) => Object.entries(of))
function tagOf(nth: number): string {
  return `case-${nth}`
}

let stack: TestStack
let redis: RedisConnection
let store: CampaignStore
let keys: Keys

beforeAll(async () => {
  stack = await startTestStack()
  redis = connectRedis(stack.redisUrl, { role: 'worker' })
  keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  store = new CampaignStore(redis, keys)
})
afterAll(async () => {
  await closeRedis(redis)
  await stack[Symbol.asyncDispose]()
})

function placeOf(id: CampaignId): Place {
  return {
    redis,
    campaign: keys.campaign(app, id),
    batch: (seq) => keys.batch(app, id, seq),
    vector: (seq) => keys.vector(app, id, seq),
    targets: keys.targets(app, id),
    live: keys.live(app, id),
  }
}

/** A campaign for each case, all of them in the middle; no worker runs yet. */
async function startAll(): Promise<CampaignId[]> {
  await stack.api.putApp(app, {
    credentials: { kind: 'store', packageSid, clientSecret: 'test-secret' },
    ratePerSecond: 50_000,
    allowFasterThanGuideline: { reason: 'test' },
  })
  for (let seq = 0; seq < BATCHES; seq += 1) {
    if (seq > 0) await redis.set(keys.next(app), seq * APART)
    const lines = cases.flatMap((_, nth) =>
      upTo(IN_BATCH).map((at) => {
        const line = { ...importLine(app, nth * AUDIENCE + seq * IN_BATCH + at, 'ok'), tags: [tagOf(nth)] }
        return `${JSON.stringify(line)}\n`
      }),
    )
    await stack.api.importChannels(app, Readable.from(lines, { objectMode: false }), { type: 'ndjson' })
  }
  return Promise.all(upTo(cases.length).map((nth) => startOne(nth)))
}

async function startOne(nth: number): Promise<CampaignId> {
  const audience = { tags: tagOf(nth) }
  const created = await stack.api.createCampaign(app, { ...tile, audience, update: 'personalized', topic: tagOf(nth) })
  const id = created.id as CampaignId
  await store.launch(app, id)
  const draft = keys.temporary(app, id)
  const pages = upTo(BATCHES).map((seq) => Math.floor((seq * APART + nth * IN_BATCH) / 512))
  for (let seq = 0; seq < BATCHES; seq += 1)
    for (const at of upTo(IN_BATCH)) await redis.setbit(draft, seq * APART + nth * IN_BATCH + at, 1)
  await store.storeAudience(app, id, draft, { size: AUDIENCE })
  const ledger = new Ledger(redis, keys)
  await ledger.plan(
    { app, campaign: id },
    {
      cursor: 0,
      nextCursor: 1 + Math.max(...pages),
      ends: true,
      batches: pages.map((page) => ({ fromPage: page, toPage: page, recipients: IN_BATCH })),
    },
  )
  const closed = [code.accepted, code.accepted, code.accepted].map((value) => byteOf(value, 1))
  await takeInHand(ledger, id, 0, { vector: Uint8Array.from(closed), changed: [0, 1, 2], end: 'close' })
  const parked = [byteOf(code.accepted, 1), byteOf(code.accepted, 1), byteOf(code.retry1, 1)]
  const end = { parkUntilMs: 0, clearStamps: false }
  await takeInHand(ledger, id, 1, { vector: Uint8Array.from(parked), changed: [0, 1], end })
  await takeInHand(ledger, id, 2)
  return id
}

const terms: BatchTerms = {
  window: 256,
  delivery: 'at-least-once',
  type: 'tile',
  guardSeconds: 0,
  maxAttempts: 5,
  wantsVariables: false,
  wantsLocales: false,
}

/** Open a batch as a worker does, and checkpoint it, or die with it in hand. */
async function takeInHand(
  ledger: Ledger,
  campaign: CampaignId,
  seq: number,
  change?: Pick<Checkpoint, 'vector' | 'changed' | 'end'>,
): Promise<void> {
  const ref = { app, campaign, seq }
  const owner = `owner-${seq}`
  const opened = await ledger.open(ref, owner, terms)
  if (opened.kind !== 'open') throw new Error(`batch ${seq} of ${campaign} is ${opened.kind}`)
  if (change === undefined) return
  const checkpoint = { number: 1, dead: [], gates: [], samples: [], ...change }
  const answer = await ledger.checkpoint(ref, owner, opened, terms, checkpoint)
  if (answer.kind !== 'ok') throw new Error(`the checkpoint of batch ${seq} was ${answer.kind}`)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at)
}

interface PostsOfToken {
  readonly token: string
  readonly posts: number
  readonly accepted: number
}

async function postsByToken(): Promise<Map<string, PostsOfToken>> {
  const answer = await request(`${stack.simulator.control}/v1/posts`)
  const lines = (await answer.body.text()).split('\n').filter((line) => line !== '')
  return new Map(lines.map((line) => JSON.parse(line) as PostsOfToken).map((posts) => [posts.token, posts]))
}

/** The API answers 404 while the campaign is gone, and 503 while its key holds something else. */
function ended(id: CampaignId): Promise<Campaign> {
  return until(`campaign ${id} to end`, async () => {
    const campaign = await stack.api.campaign(id).catch(() => undefined)
    if (campaign !== undefined) sumsUp(campaign)
    return campaign?.finishedAt === undefined ? undefined : campaign
  })
}

/** What is not as it has to be about the end of a campaign. */
async function faultOf(name: string, id: CampaignId): Promise<unknown> {
  try {
    const { state, reason, totals, audienceSize } = await ended(id)
    const ending = { name, state, reason, audienceSize, totals: some(totals) }
    const isEnded = totals.pending === 0 && classes.every((one) => totals[one] >= 0)
    if (name in anything) return isEnded ? undefined : ending
    const results = await Array.fromAsync(stack.api.results(id))
    const counted = countOf(results.map((result) => result.class))
    const isHalted = state === 'halted' && reason === 'ledger-damaged'
    const isRight = name in harmless ? state === 'completed' : isHalted
    const agrees = nameless.has(name) || sameCounts(counted, countOfTotals(totals))
    return isRight && agrees && isEnded && audienceSize === AUDIENCE ? undefined : { ...ending, counted }
  } catch (error) {
    return { name, error: String(error) }
  }
}

/** Everything of a campaign, byte for byte. */
function contentOf({ campaign, batch, vector, targets, live }: Place): Promise<(string | null)[]> {
  return Promise.all(
    [campaign, targets, live, ...upTo(BATCHES).flatMap((seq) => [batch(seq), vector(seq)])].map(
      async (key) => (await redis.dumpBuffer(key))?.toString('hex') ?? null,
    ),
  )
}

test('a damaged campaign ends with totals that add up, and no recipient is posted to again', async () => {
  const ids = await startAll()
  for (const [nth, id] of ids.entries()) await cases[nth]?.[1](placeOf(id))
  const nameOf = (nth: number): string => cases[nth]?.[0] ?? ''
  const others = ids.filter((_, nth) => nameOf(nth) in leftAlone)
  const before = await Promise.all(others.map((id) => contentOf(placeOf(id))))
  const worker = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
  const misses: unknown[] = []
  // One after the other, since the API limits the downloads of one key.
  for (const [nth, id] of ids.entries()) if (!(nameOf(nth) in leftAlone)) misses.push(await faultOf(nameOf(nth), id))
  expect(misses.filter((miss) => miss !== undefined)).toEqual([])
  const posts = await postsByToken()
  expect([...posts.values()].filter((one) => one.posts > 1)).toEqual([])
  // Five recipients were settled before the damage; random bytes may show them as pending.
  const settled = cases.flatMap(([name], nth) =>
    name in anything ? [] : upTo(5).map((at) => `ok.any.${app}-${nth * AUDIENCE + at}`),
  )
  expect(settled.filter((token) => posts.has(token))).toEqual([])
  const metrics = await (await request(`${worker.ops}/metrics`)).body.text()
  expect(metric(metrics, 'wns_fanout_ledger_damaged_total', `app="${app}"`)).toBeGreaterThanOrEqual(
    Object.keys(damages).length,
  )
  // A campaign of another version is unchanged, and reported once.
  expect(await Promise.all(others.map((id) => contentOf(placeOf(id))))).toEqual(before)
  const log = await worker.log()
  for (const id of others)
    expect(log.filter(({ campaign }) => campaign === id)).toMatchObject([
      { msg: 'campaign left alone: it belongs to another ledger version' },
    ])
  await worker.stop()
}, 120_000)

test('a vector that vanishes under its owner leaves its recipients in doubt', async () => {
  const held = 'held' as AppId
  await registerApp(
    stack,
    held,
    Array.from({ length: 6 }, () => 'slow-1200'),
  )
  const toast = { notification: { type: 'toast', content: { title: 'Hello' } }, audience: { all: true } } as const
  await using worker = await aWorker()
  const id = (await stack.api.createCampaign(held, toast)).id as CampaignId
  await until('the posts to be under way', async () =>
    worker.pid > 0 && (await redis.hget(keys.batch(held, id, 0), 'state')) === 'open' ? true : undefined,
  )
  await redis.del(keys.vector(held, id, 0))
  const campaign = await ended(id)
  expect(campaign).toMatchObject({ state: 'halted', reason: 'ledger-damaged', audienceSize: 6 })
  expect(some(campaign.totals)).toEqual({ in_doubt: 6 })
  const posts = [...(await postsByToken()).values()].filter(({ token }) => token.includes('.held-'))
  expect(posts.filter((one) => one.posts > 1)).toEqual([])
})

/** A worker of one test. */
async function aWorker(): Promise<StackWorker & AsyncDisposable> {
  const worker = await stack.startWorker({ WNS_FANOUT_LOCK_MS: '2000' })
  return { ...worker, [Symbol.asyncDispose]: async () => void (await worker.stop()) }
}

/** The order of both is that of the classes. */
function sameCounts(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right)
}

function countOf(names: readonly string[]): Partial<Totals> {
  return some(Object.fromEntries(classes.map((name) => [name, names.filter((one) => one === name).length])) as Totals)
}

function countOfTotals(totals: Totals): Partial<Totals> {
  return some(Object.fromEntries(classes.map((name) => [name, totals[name]])) as Totals)
}
