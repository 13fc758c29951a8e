import { repeat, until } from '@wns-fanout/testing'
import { ApiError, createClient } from '@wns-fanout/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { request } from 'undici'
import { isAlive } from '@wns-fanout/local'
import type { CliStack } from './support.ts'
import { registerApp } from '../support/apps.ts'
import { finished, sumOf } from '../support/campaigns.ts'
import { SimulatedClients } from '../support/clients.ts'
import { simulatorStats } from '../support/simulator.ts'
import { getText, parse, startCliStack } from './support.ts'

// One stack for all: each test has its own app, and with it its own client of the simulator.
let stack: CliStack
let clients: SimulatedClients
beforeAll(async () => {
  // Locks as short as this make a killed worker's batches change hands within the test.
  stack = await startCliStack(['--workers', '2'], { WNS_FANOUT_LOCK_MS: '1500' })
  clients = new SimulatedClients(stack)
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

const toast = { type: 'toast', content: { title: 'Hello' } } as const

async function call(
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
  type = 'application/json',
) {
  const answer = await request(`${stack.url}/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${stack.apiKey}`, ...(body === undefined ? {} : { 'content-type': type }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.body.text()
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text,
    json: (): Record<string, unknown> => parse<Record<string, unknown>>(text),
  }
}
function uri(behaviour: string, n: number): string {
  return `https://am3p.notify.windows.com/?token=${behaviour}.any.curl-${n}`
}

describe('the HTTP API as curl sees it', () => {
  test('an app, its channels by three ways, a campaign, its progress, its results and the metrics', async () => {
    const put = await call('PUT', '/apps/curl', {
      credentials: { kind: 'store', packageSid: 'ms-app://S-1-15-2-900', clientSecret: 'secret' },
      ratePerSecond: 1000,
      maxAttempts: 2,
    })
    expect(put.status).toBe(201)
    expect(put.text).not.toContain('"secret"')

    expect((await call('PUT', '/apps/curl/channels/one', { uri: uri('ok', 1), tags: ['news'] })).status).toBe(201)
    const ndjson = ['gone', 'dropped', 'forbidden'].map((behaviour, n) =>
      JSON.stringify({ channel: `n-${n}`, uri: uri(behaviour, 10 + n), tags: ['news'] }),
    )
    const imported = await call(
      'POST',
      '/apps/curl/channels:import',
      `${ndjson.join('\n')}\n{"channel":"bad"}\n`,
      'application/x-ndjson',
    )
    expect(imported.json()).toMatchObject({ created: 3, rejected: 1, errors: [{ line: 4 }] })
    const csv = `channel,uri,tags,locale\nv-1,${uri('ok', 20)},news;sport,de\nv-2,${uri('error', 21)},news,en\n`
    expect((await call('POST', '/apps/curl/channels:import', csv, 'text/csv')).json()).toMatchObject({
      created: 2,
      rejected: 0,
    })
    expect((await call('POST', '/apps/curl/channels:count', { audience: { tags: 'news and sport' } })).json()).toEqual({
      count: 1,
      optedOut: 0,
    })

    const created = await call('POST', '/apps/curl/campaigns', { notification: toast, audience: { tags: 'news' } })
    expect(created.status).toBe(201)
    const id = String(created.json()['id'])

    const events = await call('GET', `/campaigns/${id}/events`)
    expect(String(events.headers['content-type'])).toContain('text/event-stream')
    expect(events.text).toContain('event: progress')
    expect(events.text).toContain('"state":"completed"')

    const campaign = await finished(stack, id)
    expect(campaign).toMatchObject({ state: 'completed', audienceSize: 6 })
    expect(campaign.totals).toMatchObject({ accepted: 2, dropped: 1, dead: 1, rejected: 1, failed: 1, pending: 0 })

    const results = await call('GET', `/campaigns/${id}/results`)
    const lines = results.text
      .trim()
      .split('\n')
      .map((line) => parse<{ channel: string; class: string; posts: number }>(line))
    expect(Object.fromEntries(lines.map(({ channel, class: name }) => [channel, name]))).toEqual({
      one: 'accepted',
      'n-0': 'dead',
      'n-1': 'dropped',
      'n-2': 'rejected',
      'v-1': 'accepted',
      'v-2': 'failed',
    })
    expect(lines.find(({ channel }) => channel === 'v-2')?.posts).toBe(2)
    expect((await call('GET', '/apps/curl/channels/n-0')).status).toBe(404)

    const { ops } = await stack.now()
    const pages = await Promise.all(ops.workers.map(async (url) => await getText(`${url}/metrics`)))
    const sends = pages
      .flatMap((page) => [...page.matchAll(/^wns_fanout_sends_total\{(?=[^}]*app="curl")[^}]*\} (\d+)/gm)])
      .reduce((sum, [, count]) => sum + Number(count), 0)
    expect(sends).toBe(6)
  })

  test('without a valid key, the API returns no data', async () => {
    const stranger = createClient({ url: stack.url, apiKey: 'wf_not-a-key' })
    await expect(stranger.campaign('whatever')).rejects.toMatchObject({ status: 401, code: 'unauthenticated' })
    await stranger.close()
  })
})

test('a second generic campaign within 30 minutes is rejected with its earliest time; a personalized one is accepted', async () => {
  await registerApp(stack, 'guarded', repeat(5, 'ok'), clients.as(1))
  await stack.api.importChannels(
    'guarded',
    [
      `${JSON.stringify({ channel: 'ann', uri: 'https://db5p.notify.windows.com/?token=ok.any.ann', vars: { name: 'Ann' } })}\n`,
    ],
    { type: 'ndjson' },
  )
  const first = await stack.api.createCampaign('guarded', { notification: toast, audience: { all: true } })
  expect((await finished(stack, first.id)).totals.accepted).toBe(6)

  const refused: unknown = await stack.api
    .createCampaign('guarded', { notification: toast, audience: { all: true } })
    .catch((error: unknown) => error)
  expect(refused).toMatchObject({ status: 409, code: 'guard-interval' })
  const admissibleAt = refused instanceof ApiError ? String(refused.extra['admissibleAt']) : ''
  expect(Date.parse(admissibleAt) - Date.parse(first.createdAt)).toBeGreaterThanOrEqual(1_800_000)

  const personal = await stack.api.createCampaign('guarded', {
    notification: { type: 'toast', content: { title: 'Hello {{vars.name|you}}' } },
    audience: { all: true },
    update: 'personalized',
  })
  expect((await finished(stack, personal.id)).totals.accepted).toBe(6)
})

test('two workers that start on a new app together ask the token service once', async () => {
  await registerApp(stack, 'token', repeat(3000, 'ok'), clients.as(2))
  const campaign = await stack.api.createCampaign('token', { notification: toast, audience: { all: true } })
  expect((await finished(stack, campaign.id)).totals.accepted).toBe(3000)
  expect((await clients.counts(2)).tokenRequests).toBe(1)
})

test('a token that is revoked in mid-campaign costs one refresh and no recipient', async () => {
  await registerApp(stack, 'revoked', repeat(3000, 'slow-20'), { ...clients.as(3), ratePerSecond: 2000 })
  const campaign = await stack.api.createCampaign('revoked', { notification: toast, audience: { all: true } })
  await until('a part was sent', async () => (await stack.api.campaign(campaign.id)).totals.accepted > 300 || undefined)
  const answer = await request(`${stack.simulator.control}/v1/tokens/revoke`, {
    method: 'POST',
    body: JSON.stringify({ client: clients.sid(3) }),
  })
  expect(await answer.body.json()).toMatchObject({ revoked: 1 })
  const last = await finished(stack, campaign.id)
  expect(last.totals).toMatchObject({ accepted: 3000, pending: 0 })
  expect((await clients.counts(3)).tokenRequests).toBe(2)
})

test('a worker killed during a campaign loses no recipient, and another replaces it', async () => {
  const size = 6000
  await registerApp(stack, 'killed', repeat(size, 'slow-30'), { ...clients.as(4), ratePerSecond: 1500 })
  const before = await simulatorStats(stack)
  const campaign = await stack.api.createCampaign('killed', {
    notification: toast,
    audience: { all: true },
    delivery: 'at-least-once',
  })
  await until(
    'a part was sent',
    async () => (await stack.api.campaign(campaign.id)).totals.accepted > 1000 || undefined,
  )
  const victim = (await stack.now()).pids.workers[0] ?? 0
  process.kill(victim, 'SIGKILL')

  const midway = await stack.api.campaign(campaign.id)
  expect(sumOf(midway)).toBe(size)
  const replaced = await until('another worker is in stack.json', async () => {
    const { pids } = await stack.now()
    return pids.workers.length === 2 && !pids.workers.includes(victim) && pids.workers.every(isAlive) ? pids : undefined
  })
  expect(replaced.main).toBe(stack.cli.child.pid)

  const last = await finished(stack, campaign.id, 60_000)
  expect(sumOf(last)).toBe(size)
  expect(last.state).toBe('completed')
  expect(last.totals).toMatchObject({ accepted: size, pending: 0, in_doubt: 0 })
  const channels = new Set<string>()
  for await (const { channel, class: name } of stack.api.results(campaign.id)) {
    expect(name).toBe('accepted')
    channels.add(channel)
  }
  expect(channels.size).toBe(size)
  // Every recipient really arrived, and only what was in the air at the kill came twice.
  const after = await simulatorStats(stack)
  expect(after.acceptedChannels - before.acceptedChannels).toBe(size)
  expect(after.duplicates - before.duplicates).toBeLessThanOrEqual(256 * 8)
})
