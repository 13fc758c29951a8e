import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { AppId, Campaign, CampaignId } from '@wns-fanout/domain'
import { emptyTotals } from '@wns-fanout/domain'
import { createLogger } from '@wns-fanout/runtime'
import { until } from '@wns-fanout/testing'
import { expect, onTestFinished, test } from 'vitest'
import { ProgressStreams } from '../src/sse.ts'
import { rawCampaign, setup } from './support.ts'

function campaign(rest: Partial<Campaign> = {}): Campaign {
  return {
    id: 'c1',
    app: 'news',
    state: 'sending',
    update: 'generic',
    topic: 'default',
    delivery: 'at-least-once',
    priority: 'normal',
    type: 'tile',
    createdAt: '2026-01-01T00:00:00.000Z',
    expiresAt: '2026-01-02T00:00:00.000Z',
    audienceSize: 10,
    totals: { ...emptyTotals(), pending: 10 },
    ratePerSecond: 1,
    etaSeconds: 10,
    ...rest,
  }
}

interface Stream {
  text: string
  ended: boolean
}

/** Streams of one campaign over real sockets, with a campaign that the test changes. */
async function watched(
  times: { readonly progressMs?: number; readonly heartbeatMs?: number; readonly drainMs?: number } = {},
) {
  const now = { campaign: campaign() as Campaign | null, reads: 0 }
  const streams = new ProgressStreams({
    read: async () => {
      now.reads += 1
      return now.campaign
    },
    logger: createLogger({ name: 'test', level: 'silent' }),
    pollMs: 5,
    progressMs: 20,
    ...times,
  })
  const server = createServer((_request, response) =>
    streams.add({ app: 'news' as AppId, campaign: 'c1' as CampaignId }, now.campaign ?? campaign(), response, {
      'x-request-id': 'r',
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  onTestFinished(async () => {
    streams.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const open = async (): Promise<Stream> => {
    const stream = { text: '', ended: false }
    const request = httpRequest({ port, host: '127.0.0.1', agent: false })
    request.on('response', (response) => {
      response.setEncoding('utf8')
      response.on('data', (piece: string) => (stream.text += piece))
      response.on('close', () => (stream.ended = true))
    })
    request.on('error', () => (stream.ended = true))
    request.end()
    await until(() => stream.text.includes('event: progress'))
    return stream
  }
  return { now, streams, open }
}

function eventsOf({ text }: Stream): Campaign[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('event: progress\n'))
    .map((block) => JSON.parse(block.slice('event: progress\ndata: '.length)) as Campaign)
}

test('a stream starts with the campaign, sends each change, and ends when no recipient is pending', async () => {
  const { now, open } = await watched()
  const stream = await open()
  expect(stream.text).toMatch(/^retry: \d+\n\nevent: progress\ndata: \{.*\}\n\n$/)

  now.campaign = campaign({ state: 'paused' })
  await until(() => eventsOf(stream).some(({ state }) => state === 'paused'))
  now.campaign = campaign({ state: 'cancelled', totals: { ...emptyTotals(), pending: 1, cancelled: 9 } })
  await until(() => eventsOf(stream).some(({ state }) => state === 'cancelled'))
  expect(stream.ended).toBe(false)
  now.campaign = campaign({
    state: 'cancelled',
    finishedAt: '2026-01-01T00:01:00.000Z',
    totals: { ...emptyTotals(), cancelled: 10 },
  })
  await until(() => stream.ended)

  expect(eventsOf(stream).at(-1)).toEqual(now.campaign)
})

test('progress without a change of state is sent at most once per interval, a change of state at once', async () => {
  const { now, open } = await watched({ progressMs: 60_000 })
  const stream = await open()
  const reads = now.reads
  now.campaign = campaign({ totals: { ...emptyTotals(), accepted: 5, pending: 5 } })
  await until(() => now.reads > reads + 5)
  expect(eventsOf(stream)).toHaveLength(1)
  now.campaign = campaign({ state: 'paused', totals: { ...emptyTotals(), accepted: 6, pending: 4 } })
  await until(() => eventsOf(stream).length === 2)
  expect(eventsOf(stream)[1]?.totals.accepted).toBe(6)
})

test('many clients of a campaign share one poll, and it stops with the last of them', async () => {
  const { now, streams, open } = await watched()
  const all = await Promise.all(Array.from({ length: 20 }, open))
  expect(streams.clients).toBe(20)
  const before = now.reads
  const startedMs = performance.now()
  await until(() => now.reads >= before + 10)
  // Twenty polls would have been there long before.
  expect(performance.now() - startedMs).toBeGreaterThan(40)
  now.campaign = campaign({ state: 'completed', finishedAt: '2026-01-01T00:01:00.000Z' })
  await until(() => all.every(({ ended }) => ended))
  expect(streams.clients).toBe(0)
  expect(all.every((stream) => eventsOf(stream).at(-1)?.state === 'completed')).toBe(true)
})

test('a quiet stream gets a comment, so that proxies keep it', async () => {
  const { open } = await watched({ heartbeatMs: 10 })
  const stream = await open()
  await until(() => stream.text.includes('\n\n: still here\n\n'))
})

test('a campaign that ended but does not drain holds its streams only so long', async () => {
  const { now, open } = await watched({ drainMs: 30 })
  const stream = await open()
  now.campaign = campaign({ state: 'halted' })
  await until(() => stream.ended)
  expect(eventsOf(stream).at(-1)?.state).toBe('halted')
})

test('a campaign that is removed ends its streams', async () => {
  const { now, open } = await watched()
  const stream = await open()
  now.campaign = null
  await until(() => stream.ended)
})

test('the API streams the progress of a campaign and ends its streams when it stops', async () => {
  const { call, withApp, url, admin, server } = await setup({ progress: { pollMs: 10, progressMs: 20 } })
  await withApp('news', 1)
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign })).json
  const open = (campaignId: string): Promise<Stream & { type: string | undefined }> =>
    new Promise((resolve, reject) => {
      const stream = { text: '', ended: false, type: undefined as string | undefined }
      const request = httpRequest(`${url}/v1/campaigns/${campaignId}/events`, {
        agent: false,
        headers: { authorization: `Bearer ${admin}` },
      })
      request.on('error', reject)
      request.on('response', (response) => {
        stream.type = response.headers['content-type']
        response.setEncoding('utf8')
        response.on('data', (piece: string) => (stream.text += piece))
        response.on('close', () => (stream.ended = true))
        resolve(stream)
      })
      request.end()
    })
  const first = await open(id)
  expect(first.type).toBe('text/event-stream; charset=utf-8')
  await until(() => eventsOf(first).length === 1)
  await call('POST', `/v1/campaigns/${id}/cancel`)
  await until(() => first.ended)
  expect(eventsOf(first).map(({ state }) => state)).toEqual(['scheduled', 'cancelled'])

  const other = (await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, topic: 'other' } })).json
  const second = await open(other.id)
  await until(() => eventsOf(second).length === 1)
  await server.close()
  await until(() => second.ended)
  expect(eventsOf(second).map(({ state }) => state)).toEqual(['scheduled'])
})
