import type { Outcome } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { OutcomeBuffer } from '../../src/send/outcome-buffer.ts'

const trace = { wnsStatus: 'received', msgId: 'm' }
const accepted: Outcome = { kind: 'accepted', status: 200, trace }

const gate = { ordinal: 7, uri: 'u', postedSecond: 5, closeRawGate: true, holdUntilSecond: 0 }

test('a drain takes everything once', () => {
  const buffer = new OutcomeBuffer()
  buffer.settled(3)
  buffer.waits('server-error')
  buffer.retried('unauthorized')
  buffer.answered(accepted, 12)
  buffer.dead({ position: 3, ordinal: 7, uri: 'u' })
  buffer.gate(gate)
  expect(buffer.count).toBe(2)
  expect(buffer.drain()).toEqual({
    changed: [3],
    dead: [{ position: 3, ordinal: 7, uri: 'u' }],
    gates: [gate],
    samples: [],
    responses: new Map([[200, 1]]),
    retries: new Map([
      ['server-error', 1],
      ['unauthorized', 1],
    ]),
    durationsMs: [12],
  })
  expect(buffer.count).toBe(0)
  expect(buffer.drain()).toMatchObject({ changed: [], dead: [], gates: [], durationsMs: [] })
})

test('posts without an answer are counted as none, posts that were not sent are not counted', () => {
  const buffer = new OutcomeBuffer()
  buffer.answered({ kind: 'ambiguous', code: 'timeout' }, 1)
  buffer.answered({ kind: 'not-sent', code: 'ECONNREFUSED' }, 1)
  expect(buffer.drain().responses).toEqual(new Map([['none', 1]]))
})

test('one duration in sixteen is kept', () => {
  const buffer = new OutcomeBuffer()
  for (let post = 0; post < 33; post += 1) buffer.answered(accepted, post)
  expect(buffer.drain().durationsMs).toEqual([0, 16, 32])
})

test('a sample shows the answer, and a drain has at most twenty', () => {
  const buffer = new OutcomeBuffer()
  expect(buffer.sample(5, { kind: 'forbidden', status: 403, trace }, 0)).toBe(true)
  expect(buffer.sample(6, { kind: 'not-sent', code: 'ECONNREFUSED' }, 0)).toBe(true)
  for (let n = 0; n < 18; n += 1) buffer.sample(n, accepted, 0)
  expect(buffer.sample(7, accepted, 0)).toBe(false)
  const { samples } = buffer.drain()
  expect(samples).toHaveLength(20)
  expect(samples.slice(0, 2).map((text) => JSON.parse(text) as unknown)).toEqual([
    { ordinal: 5, status: 403, ...trace, at: '1970-01-01T00:00:00.000Z' },
    { ordinal: 6, status: null, description: 'ECONNREFUSED', at: '1970-01-01T00:00:00.000Z' },
  ])
  expect(buffer.sample(7, accepted, 0)).toBe(true)
})
