import type { ServerResponse } from 'node:http'
import { collect } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { ApiError } from '../src/index.ts'
import { failureOf, json, serve } from './support.ts'

function event(campaign: object): string {
  return `event: progress\ndata: ${JSON.stringify(campaign)}\n\n`
}
function stream(...pieces: readonly string[]) {
  return (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const piece of pieces) response.write(piece)
    response.end()
  }
}

test('one stream gives its campaigns, without comments and other events, and ends', async () => {
  const { client, seen } = await serve([
    stream(
      'retry: 1000\n\n: still here\n\n',
      event({ n: 1 }).slice(0, 20),
      event({ n: 1 }).slice(20),
      'event: other\ndata: x\n\n',
      event({ n: 2 }).replaceAll('\n', '\r\n'),
    ),
  ])
  expect(await collect(client.events('c1'))).toEqual([{ n: 1 }, { n: 2 }])
  expect(seen[0]).toMatchObject({ path: '/v1/campaigns/c1/events', headers: { accept: 'text/event-stream' } })
})

test.each([
  ['\\n', '\n'],
  ['\\r\\n', '\r\n'],
  ['\\r', '\r'],
])('lines of a stream may end with %s, wherever the pieces are cut', async (_name, end) => {
  const text = [event({ n: 1 }), ': comment\n\n', event({ n: 2 })].join('').replaceAll('\n', end)
  const { client } = await serve([stream(...text.split(''))])
  expect(await collect(client.events('c1'))).toEqual([{ n: 1 }, { n: 2 }])
})

test('a byte order mark and data over several lines are read, and an event that was cut off is not', async () => {
  const { client } = await serve([
    stream('\uFEFFevent: progress\ndata: {\ndata: "n": 1}\n\n', event({ n: 2 }).trimEnd()),
  ])
  expect(await collect(client.events('c1'))).toEqual([{ n: 1 }])
})

test('watching connects again after the wait that the API asks for, from the last event it received', async () => {
  const { client, seen } = await serve(
    [
      stream('retry: 5\nid: 7\n', event({ state: 'sending' })),
      stream(event({ state: 'completed', finishedAt: '2026-01-01T00:00:00.000Z' })),
    ],
    { reconnectMs: 3_600_000 },
  )
  expect((await collect(client.watch('c1'))).map(({ state }) => state)).toEqual(['sending', 'completed'])
  expect(seen.map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7'])
})

test('watching continues over broken and ended connections until the campaign has ended', async () => {
  const { client, seen } = await serve(
    [
      stream(event({ state: 'sending' })),
      (response) => response.destroy(),
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'content-length': '9999' })
        response.write(event({ state: 'paused' }), () => response.destroy())
      },
      stream(event({ state: 'completed', finishedAt: '2026-01-01T00:00:00.000Z' })),
    ],
    { retries: 0, reconnectMs: 5 },
  )
  const states = (await collect(client.watch('c1'))).map(({ state }) => state)
  expect(states).toEqual(['sending', 'paused', 'completed'])
  expect(seen).toHaveLength(4)
})

test('watching an unknown campaign is an error, not a wait', async () => {
  const { client, seen } = await serve([json(404, { status: 404, code: 'not-found', detail: 'no' })])
  const error = await failureOf(collect(client.watch('c1')))
  expect(error).toBeInstanceOf(ApiError)
  expect(seen).toHaveLength(1)
})

test('watching ends at once when it is aborted', async () => {
  const giveUp = new AbortController()
  const { client } = await serve([
    (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(event({ state: 'sending' }))
    },
  ])
  const seen: unknown[] = []
  const error = await failureOf(
    (async () => {
      for await (const campaign of client.watch('c1', { signal: giveUp.signal })) {
        seen.push(campaign)
        giveUp.abort(new Error('enough'))
      }
    })(),
  )
  expect(error.message).toBe('enough')
  expect(seen).toHaveLength(1)
})

test('watching ends when the campaign halts until its owner decides, and not while one that is halted for good drains', async () => {
  const held = await serve([stream(event({ state: 'halted', reason: 'canary' }))])
  expect(await collect(held.client.watch('c1'))).toHaveLength(1)
  const damaged = { state: 'halted', reason: 'ledger-damaged' }
  const drains = await serve(
    [stream(event(damaged)), stream(event({ ...damaged, finishedAt: '2026-01-01T00:00:00.000Z' }))],
    { reconnectMs: 1 },
  )
  expect(await collect(drains.client.watch('c1'))).toHaveLength(2)
})
