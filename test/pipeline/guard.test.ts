import { until } from '@wns-fanout/testing'
import { Readable } from 'node:stream'
import type { Campaign } from '@wns-fanout/domain'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { importLine, packageSid } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { letGo, tile, twoWorkers } from './support.ts'

// The 30-minute rule for one device, whatever happens to the workers: judged by what the simulator was sent.

let stack: TestStack
let workers: StackWorker[]

beforeAll(async () => {
  stack = await startTestStack()
  workers = await twoWorkers(stack, 2000)
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

const CHANNELS = 6000
const APP = 'twice'
function isNews(n: number): boolean {
  return n % 3 !== 0
}
function isSport(n: number): boolean {
  return n % 3 !== 1
}
function isIll(n: number): boolean {
  return n % 40 < 3
}

async function register(behaviourOf: (n: number) => string): Promise<void> {
  const lines = Array.from({ length: CHANNELS }, (_, n) => {
    const tags = [...(isNews(n) ? ['news'] : []), ...(isSport(n) ? ['sport'] : [])]
    return `${JSON.stringify({ ...importLine(APP, n, behaviourOf(n)), tags })}\n`
  })
  const result = await stack.api.importChannels(APP, Readable.from(lines, { objectMode: false }), { type: 'ndjson' })
  expect(result.created + result.updated + result.unchanged).toBe(CHANNELS)
}

/** Of each channel of the app: how many notifications its device took. */
async function takenByDevice(): Promise<Map<string, number>> {
  const text = await (await request(`${stack.simulator.control}/v1/posts`)).body.text()
  const taken = new Map<string, number>()
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const { token, accepted } = JSON.parse(line) as { token: string; accepted: number }
    const channel = `d${token.slice(token.lastIndexOf('-') + 1)}`
    taken.set(channel, (taken.get(channel) ?? 0) + accepted)
  }
  return taken
}

async function classesOf(id: string): Promise<Map<string, string>> {
  return new Map((await Array.fromAsync(stack.api.results(id))).map(({ channel, class: name }) => [channel, name]))
}

/** An uncertain notification counts as accepted. */
function mayHaveIt(name: string | undefined): boolean {
  return name === 'accepted' || name === 'in_doubt'
}

test('two generic campaigns that share devices reach none twice: across a crash, a pause and a retry', async () => {
  await stack.api.putApp(APP, {
    credentials: { kind: 'store', packageSid, clientSecret: 'test-secret' },
    ratePerSecond: 1500,
    burst: 150,
    maxAttempts: 1,
  })
  await register((n) => (isIll(n) ? 'error' : 'ok'))
  // At most once, since a crash may repeat a post of the other kind on purpose.
  const send = (tags: string, topic: string): Promise<Campaign> =>
    stack.api.createCampaign(APP, { ...tile, audience: { tags }, topic, delivery: 'at-most-once' })
  const [news, sport] = await Promise.all([send('news', 'news'), send('sport', 'sport')])

  const settled = async (): Promise<number> => {
    const both = await Promise.all([stack.api.campaign(news.id), stack.api.campaign(sport.id)])
    return both.reduce((sum, { audienceSize, totals }) => sum + (audienceSize ?? 0) - totals.pending, 0)
  }
  await until('both to be under way', async () => ((await settled()) > 500 ? true : undefined))
  await stack.api.pauseCampaign(news.id)
  await letGo(stack, APP, news.id)
  await until('the other one to continue', async () => ((await settled()) > 1500 ? true : undefined))
  process.kill(workers[0]?.pid ?? 0, 'SIGKILL')
  await stack.api.resumeCampaign(news.id)
  const [first, second] = [await finished(stack, news.id), await finished(stack, sport.id)]
  expect([first.state, second.state]).toEqual(['completed', 'completed'])

  const ofNews = await classesOf(news.id)
  const ofSport = await classesOf(sport.id)
  for (const [campaign, own, other] of [
    [first, ofNews, ofSport],
    [second, ofSport, ofNews],
  ] as const) {
    const suppressed = [...own].filter(([, name]) => name === 'suppressed').map(([channel]) => channel)
    expect(campaign.totals.suppressed).toBe(suppressed.length)
    // A suppressed recipient had a notification of the other campaign at that moment, which may have failed since.
    expect(suppressed.filter((channel) => !mayHaveIt(other.get(channel)) && other.get(channel) !== 'failed')).toEqual(
      [],
    )
    const shared = [...own].filter(([channel]) => mayHaveIt(other.get(channel)))
    expect(shared.filter(([, name]) => mayHaveIt(name))).toEqual([])
  }
  expect(first.totals.suppressed + second.totals.suppressed).toBeGreaterThan(CHANNELS / 4)

  // All channels work again, and both campaigns retry the recipients that failed.
  await register(() => 'ok')
  const again = await Promise.all([stack.api.retryFailed(news.id), stack.api.retryFailed(sport.id)])
  const repeated = [await finished(stack, again[0].id), await finished(stack, again[1].id)]
  expect(repeated.map(({ audienceSize }) => audienceSize)).toEqual([first.totals.failed, second.totals.failed])

  const taken = await takenByDevice()
  expect([...taken].filter(([, count]) => count > 1)).toEqual([])
  // No recipient was left out either: one without a post was uncertain, or suppressed after an uncertain or failed one.
  const retriedNews = await classesOf(again[0].id)
  const retriedSport = await classesOf(again[1].id)
  const all = [ofNews, ofSport, retriedNews, retriedSport]
  const without = Array.from({ length: CHANNELS }, (_, n) => `d${n}`).filter(
    (channel) => (taken.get(channel) ?? 0) === 0,
  )
  expect(without.filter((channel) => !all.some((classes) => classes.get(channel) === 'in_doubt'))).toEqual([])
  const accepted = [first, second, ...repeated].reduce((sum, { totals }) => sum + totals.accepted, 0)
  const certain = [...taken].filter(
    ([channel, count]) => count > 0 && all.some((classes) => classes.get(channel) === 'accepted'),
  )
  expect(accepted).toBe(certain.length)
}, 120_000)
