import { repeat, until } from '@wns-fanout/testing'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { request } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import type { SimulatedClients } from '../support/clients.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { metric, some, startWithClients, tile } from './support.ts'

// What WNS, its hosts and its token service may do to a campaign, one fault at a time.

let stack: TestStack
let workers: readonly StackWorker[]
let clients: SimulatedClients

beforeAll(async () => {
  ;({ stack, workers, clients } = await startWithClients())
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

function well(): Promise<void> {
  return clients.faults({})
}
async function accepted(id: string): Promise<number> {
  return (await stack.api.campaign(id)).totals.accepted
}

test('a token that is revoked in mid-campaign costs one request, and each recipient one more post at most', async () => {
  await registerApp(stack, 'revoked', repeat(4000), { ...clients.as(1), ratePerSecond: 2000 })
  const { id } = await stack.api.createCampaign('revoked', tile)
  await until('some to be sent', async () => ((await accepted(id)) > 500 ? true : undefined))
  await stack.control('POST', '/v1/tokens/revoke', { client: clients.sid(1) })
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 4000 })
  expect((await clients.counts(1)).tokenRequests).toBe(2)
  expect(Math.max(...(await clients.postsOf('revoked')).map(({ posts }) => posts))).toBeLessThanOrEqual(2)
})

test('a token that belongs to another app gets 403 and opens the breaker of its app alone', async () => {
  await registerApp(stack, 'mistaken', [], { ...clients.as(2), ratePerSecond: 5000 })
  for (let n = 0; n < 200; n += 1)
    await stack.api.putChannel('mistaken', `d${n}`, {
      uri: `https://db5p.notify.windows.com/?token=ok.${clients.sid(3)}.mistaken-${n}`,
    })
  await registerApp(stack, 'bystander', repeat(2000), clients.as(3))
  const { id } = await stack.api.createCampaign('mistaken', tile)
  const other = await finished(stack, (await stack.api.createCampaign('bystander', tile)).id)
  expect(some(other.totals)).toEqual({ accepted: 2000 })
  const { breaker } = await until('the breaker to open', async () => {
    const app = await stack.api.app('mistaken')
    return app.breaker === undefined ? undefined : app
  })
  expect(breaker?.reason).toContain('403')
  expect((await stack.api.app('bystander')).breaker).toBeUndefined()
  expect(await stack.api.campaign(id)).toMatchObject({ state: 'sending', reason: 'breaker' })
  // Each worker needs its fifty answers to know; what is under way then comes on top.
  expect((await clients.counts(2)).posts).toBeLessThan(200)
  await stack.api.cancelCampaign(id)
  await finished(stack, id)
})

test('a dead channel is not posted to again', async () => {
  await registerApp(stack, 'leavers', ['ok', 'gone', 'unknown', 'ok'], clients.as(4))
  await finished(stack, (await stack.api.createCampaign('leavers', tile)).id)
  const second = await stack.api.createCampaign('leavers', { ...tile, notification: { type: 'badge', value: 2 } })
  expect(await finished(stack, second.id)).toMatchObject({ audienceSize: 2 })
  const posts = await clients.postsOf('leavers')
  expect(posts.filter(({ token }) => /^(gone|unknown)/.test(token)).map((one) => one.posts)).toEqual([1, 1])
})

test('a 410 without a header of WNS removes no channel', async () => {
  await registerApp(stack, 'boxed', ['gone', 'gone', 'ok'], { ...clients.as(5), maxAttempts: 1 })
  await clients.faults({ 5: { bare: true } })
  const campaign = await finished(stack, (await stack.api.createCampaign('boxed', tile)).id)
  await well()
  expect(campaign.totals.dead).toBe(0)
  expect((await stack.api.app('boxed')).channels).toBe(3)
})

test.each([
  ['seconds', 4],
  ['a date', 'date'],
])(
  'a Retry-After in %s is waited for by all workers',
  async (_, retryAfter) => {
    const app = `asked-${typeof retryAfter}`
    const n = typeof retryAfter === 'number' ? 6 : 7
    await registerApp(stack, app, repeat(400), { ...clients.as(n), ratePerSecond: 1000 })
    await clients.faults({ [n]: { rateCap: { perSecond: 0, status: 406, retryAfter } } })
    const { id } = await stack.api.createCampaign(app, tile)
    const { throttledUntil = '' } = await until('the app to rest', async () => {
      const now = await stack.api.app(app)
      return now.throttledUntil === undefined ? undefined : now
    })
    expect((await stack.api.campaign(id)).reason).toBe('throttled')
    // Posts that were permitted before that may still be under way.
    const under = await until('them to be answered', async () => {
      const { posts } = await clients.counts(n)
      return Date.now() > Date.parse(throttledUntil) - 700 ? posts : undefined
    })
    const before = await clients.counts(n)
    expect(before.posts).toBe(under)
    expect(before.posts).toBeLessThan(200)
    await well()
    expect(some((await finished(stack, id, 90_000)).totals)).toEqual({ accepted: 400 })
  },
  120_000,
)

test('one answer of 500 in twenty costs at most one post in ten, and no recipient is lost', async () => {
  await registerApp(stack, 'sporadic', repeat(2000, 'flaky-5'), { ...clients.as(8), maxAttempts: 6 })
  expect(some((await finished(stack, (await stack.api.createCampaign('sporadic', tile)).id)).totals)).toEqual({
    accepted: 2000,
  })
  const posts = await clients.postsOf('sporadic')
  expect(posts.reduce((sum, one) => sum + one.posts, 0)).toBeLessThan(2200)
  expect(Math.max(...posts.map((one) => one.posts))).toBeLessThanOrEqual(6)
})

test('a host that answers 503 rests, and the others do not wait for it', async () => {
  // Every fourth channel is on the first host.
  const behaviours = Array.from({ length: 4000 }, (_, n) => (n % 4 === 0 ? 'unavailable' : 'ok'))
  await registerApp(stack, 'one-host', behaviours, { ...clients.as(9), maxAttempts: 6 })
  const { id } = await stack.api.createCampaign('one-host', tile)
  await until('the other hosts to be done', async () => ((await accepted(id)) === 3000 ? true : undefined))
  const ill = (await clients.postsOf('one-host')).filter(({ token }) => token.startsWith('unavailable'))
  // A breaker a worker: what was in flight, then one probe in five seconds.
  expect(ill.reduce((sum, one) => sum + one.posts, 0)).toBeLessThan(1000)
  await stack.api.cancelCampaign(id)
  await finished(stack, id)
})

test('when WNS becomes slow, posts under way stay within the lanes, and no recipient is lost', async () => {
  await registerApp(stack, 'slower', repeat(3000), { ...clients.as(10), ratePerSecond: 3000 })
  await clients.faults({ 10: { latencyMs: 20 } })
  const { id } = await stack.api.createCampaign('slower', tile)
  await until('some to be sent', async () => ((await accepted(id)) > 200 ? true : undefined))
  await clients.faults({ 10: { latencyMs: 2000 } })
  const before = await accepted(id)
  await until('slow answers', async () => ((await accepted(id)) > before + 300 ? true : undefined))
  const lanes = await Promise.all(
    workers.map(async ({ ops }) => metric(await (await request(`${ops}/metrics`)).body.text(), 'wns_fanout_lanes')),
  )
  expect(Math.max(...lanes)).toBeLessThanOrEqual(256)
  await well()
  expect(some((await finished(stack, id)).totals)).toEqual({ accepted: 3000 })
})

test('while the token service is away the app waits, and it continues soon after the service is back', async () => {
  await registerApp(stack, 'tokenless', repeat(300), clients.as(11))
  await clients.faults({ 11: { token: { mode: 'error' } } })
  const { id } = await stack.api.createCampaign('tokenless', tile)
  await until('it to be asked in vain', async () => ((await clients.counts(11)).tokenRequests > 0 ? true : undefined))
  expect(await accepted(id)).toBe(0)
  expect((await stack.api.app('tokenless')).breaker).toBeUndefined()
  await well()
  expect(some((await finished(stack, id, 30_000)).totals)).toEqual({ accepted: 300 })
})

async function aSecond(): Promise<number> {
  const sinceMs = performance.now()
  await until('a second to pass', () => (performance.now() - sinceMs > 1000 ? true : undefined))
  return (performance.now() - sinceMs) / 1000
}
async function postsPerSecond(n: number): Promise<number> {
  const { posts } = await clients.counts(n)
  const seconds = await aSecond()
  return ((await clients.counts(n)).posts - posts) / seconds
}

test('a rate that is changed counts without a restart', async () => {
  await registerApp(stack, 'adjusted', repeat(30_000), { ...clients.as(12), ratePerSecond: 100, burst: 10 })
  const { id } = await stack.api.createCampaign('adjusted', tile)
  await until('some to be sent', async () => ((await accepted(id)) > 50 ? true : undefined))
  const change = (ratePerSecond: number): Promise<unknown> =>
    stack.api.putApp('adjusted', { ...clients.as(12), ratePerSecond, burst: 10 })
  await change(1000)
  await until('more posts than the old rate allows', async () => (await postsPerSecond(12)) > 200 || undefined)
  await change(100)
  await until('no more posts than the new rate allows', async () => (await postsPerSecond(12)) < 150 || undefined)
  await stack.api.cancelCampaign(id)
  await finished(stack, id)
})

test('going faster than the guideline is counted for each campaign that does', async () => {
  await registerApp(stack, 'hasty', repeat(10), {
    ...clients.as(13),
    genericIntervalSeconds: 0,
    allowFasterThanGuideline: { reason: 'a ticker that its users asked for' },
  })
  for (let launch = 0; launch < 2; launch += 1)
    await finished(stack, (await stack.api.createCampaign('hasty', tile)).id)
  const texts = await Promise.all(workers.map(async ({ ops }) => (await request(`${ops}/metrics`)).body.text()))
  const count = (decision: string): number =>
    texts.reduce((sum, text) => sum + metric(text, 'wns_fanout_guard_total', `app="hasty",decision="${decision}"`), 0)
  expect(count('faster-than-guideline')).toBe(2)
})

test('a host that cannot be reached rests, and those of the others are not kept waiting', async () => {
  await using gate = await startGate(stack.simulator.address, 'hk2.notify.windows.com')
  await using other = await startTestStack()
  await other.startWorker({ WNS_ROUTE_TO: `127.0.0.1:${gate.port}`, WNS_CA_FILE: stack.simulator.caFile })
  await registerApp(other, 'regional', repeat(4000), { maxAttempts: 6 })
  const { id } = await other.api.createCampaign('regional', tile)
  await until('three hosts of four to be done', async () =>
    (await other.api.campaign(id)).totals.accepted === 3000 ? true : undefined,
  )
  expect((await other.api.campaign(id)).totals.pending).toBeGreaterThan(0)
  gate.open()
  expect(some((await finished(other, id, 90_000)).totals)).toEqual({ accepted: 4000 })
}, 120_000)

/** A way to the simulator that is closed for one host, known by the name in the client's greeting. */
async function startGate(
  address: string,
  closedFor: string,
): Promise<{ readonly port: number; open(): void; [Symbol.asyncDispose](): Promise<void> }> {
  const sockets = new Set<Socket>()
  const state = { isClosed: true }
  const [host = '', port = ''] = address.split(':')
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.once('data', (greeting: Buffer) => {
      if (state.isClosed && greeting.includes(closedFor)) {
        socket.resetAndDestroy()
        return
      }
      const onward = connect(Number(port), host)
      sockets.add(onward)
      onward.on('error', () => socket.destroy())
      onward.once('close', () => sockets.delete(onward))
      onward.write(greeting)
      socket.pipe(onward).pipe(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    open: () => {
      state.isClosed = false
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
