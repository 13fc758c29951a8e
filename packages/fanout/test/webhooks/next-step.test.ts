import { DAY_MS } from '@wns-fanout/domain'
import type { WebhookProgress } from '@wns-fanout/state'
import type { HttpsAnswer } from '@wns-fanout/wns'
import { expect, test } from 'vitest'
import { isOverdue, MAX_REFUSALS, nextStep } from '../../src/webhooks/next-step.ts'

const NOW_MS = 2_000_000_000_000
const fresh: WebhookProgress = { cursor: '1-0', failures: 0, nextAtMs: 0 }

function status(value: number, rest: { readonly retryAfterMs?: number } = {}): HttpsAnswer {
  return { kind: 'answer', status: value, ...rest }
}
const noAnswer: HttpsAnswer = { kind: 'no-answer', code: 'timeout', explanation: 'no answer within 10 s' }

function after(answer: HttpsAnswer, { failures = 0, ageMs = 0, random = 1 } = {}) {
  const before = { ...fresh, failures }
  return nextStep(before, { id: '2-0', atMs: NOW_MS - ageMs }, answer, { nowMs: NOW_MS, random })
}

test.each([
  ['200', status(200), 0, 0, 'delivered'],
  ['204 after failures', status(204), 9, 0, 'delivered'],
  ['302', status(302), 0, 0, 'retry'],
  ['404', status(404), 99, 0, 'retry'],
  ['500 of an event that is nearly a day old', status(500), 99, DAY_MS - 1, 'retry'],
  ['500 of an event that is a day old', status(500), 0, DAY_MS, 'too-old'],
  ['no answer', noAnswer, 5, 0, 'retry'],
  ['410', status(410), 0, DAY_MS, 'disabled'],
  ['422', status(422), MAX_REFUSALS - 2, 0, 'retry'],
  ['422 for the last time', status(422), MAX_REFUSALS - 1, 0, 'refused'],
] as const)('%s', (_name, answer, failures, ageMs, kind) => {
  const step = after(answer, { failures, ageMs })
  expect(step.kind).toBe(kind)
  expect(step.progress.cursor).toBe(kind === 'retry' || kind === 'disabled' ? '1-0' : '2-0')
  expect(step.progress.failures).toBe(kind === 'delivered' ? 0 : failures + 1)
  expect(step.progress.problem === undefined).toBe(kind === 'delivered')
})

test('the wait doubles from five seconds to an hour, with a fifth of jitter', () => {
  const waits = [0, 1, 2, 9, 10, 60].map((failures) => after(noAnswer, { failures }).progress.nextAtMs - NOW_MS)
  expect(waits).toEqual([5000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000])
  expect(after(noAnswer, { random: 0 }).progress.nextAtMs - NOW_MS).toBe(4000)
})

test('a receiver that asks for a longer wait gets it, and not a shorter one', () => {
  expect(after(status(503, { retryAfterMs: 60_000 })).progress.nextAtMs - NOW_MS).toBe(60_000)
  expect(after(status(429, { retryAfterMs: 1000 }), { failures: 4 }).progress.nextAtMs - NOW_MS).toBe(80_000)
})

test('events that waited for a day are overdue only while the webhook fails', () => {
  expect(isOverdue({ ...fresh, failures: 1 }, NOW_MS - DAY_MS, NOW_MS)).toBe(true)
  expect(isOverdue({ ...fresh, failures: 1 }, NOW_MS - DAY_MS + 1, NOW_MS)).toBe(false)
  expect(isOverdue(fresh, NOW_MS - 2 * DAY_MS, NOW_MS)).toBe(false)
})
