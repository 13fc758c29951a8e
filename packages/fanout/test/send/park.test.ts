import { expect, test } from 'vitest'
import type { Stop, Wait } from '../../src/send/park.ts'
import { batchEnd, endingOf, longerWait, noWait, parkDelayMs, parkReason } from '../../src/send/park.ts'

const retry: Wait = { delayMs: 700, reason: 'server-error' }

test.each<{ stop: Stop | undefined; wait: Wait; heldForMs?: number; delayMs: number }>([
  { stop: 'stopping', wait: retry, delayMs: 0 },
  { stop: 'in-hand', wait: retry, delayMs: 0 },
  { stop: 'paused', wait: retry, delayMs: 0 },
  { stop: 'breaker', wait: { delayMs: 60_000 }, delayMs: 60_000 },
  { stop: 'no-token', wait: { delayMs: 5000 }, delayMs: 5000 },
  { stop: undefined, wait: retry, delayMs: 700 },
  { stop: undefined, wait: retry, heldForMs: 9000, delayMs: 700 },
  { stop: undefined, wait: noWait, heldForMs: 9000, delayMs: 9000 },
  { stop: undefined, wait: noWait, heldForMs: -50, delayMs: 100 },
  { stop: undefined, wait: noWait, delayMs: 1000 },
])('a batch that stopped for $stop with $wait and a hold of $heldForMs ms is due in $delayMs ms', (row) => {
  expect(parkDelayMs(row.stop, row.wait, row.heldForMs)).toBe(row.delayMs)
})

test.each<{ stop: Stop | undefined; wait: Wait; isPaused?: boolean; reason: string }>([
  { stop: undefined, wait: noWait, reason: 'held' },
  { stop: undefined, wait: retry, reason: 'server-error' },
  { stop: 'final', wait: retry, reason: 'server-error' },
  { stop: 'fenced', wait: noWait, reason: 'held' },
  { stop: 'breaker', wait: retry, reason: 'breaker' },
  { stop: 'stopping', wait: retry, reason: 'stopping' },
  { stop: 'no-replica', wait: noWait, reason: 'no-replica' },
  { stop: 'breaker', wait: retry, isPaused: true, reason: 'paused' },
])('a batch that stopped for $stop with $wait parks as $reason', ({ stop, wait, isPaused = false, reason }) => {
  expect(parkReason(stop, wait, isPaused)).toBe(reason)
})

test('the longest wait decides how long, and the longest one of a recipient decides why', () => {
  const first = longerWait(noWait, retry)
  expect(first).toMatchObject(retry)
  expect(longerWait(first, { delayMs: 700, reason: 'not-sent' })).toMatchObject(retry)
  expect(longerWait(first, { delayMs: 800, reason: 'not-sent' })).toMatchObject({ delayMs: 800, reason: 'not-sent' })
  expect(longerWait(first, { delayMs: 5000 })).toMatchObject({ delayMs: 5000, reason: 'server-error' })
})

test.each([
  [false, false],
  [true, false],
  [false, true],
])('a wait is throttled once the app was throttled, however short that was (%s, %s)', (isFirst, isSecond) => {
  const first = { delayMs: 900, isThrottled: isFirst }
  const second = { delayMs: 100, isThrottled: isSecond }
  expect(longerWait(longerWait(noWait, first), second).isThrottled).toBe(isFirst || isSecond)
})

test.each<{ name: string; stop?: Stop; wait?: Wait; pending: number[]; ending: unknown }>([
  { name: 'nothing is pending', pending: [], ending: { end: 'close', changed: [1] } },
  { name: 'the campaign has ended', stop: 'final', pending: [2], ending: { end: 'close', changed: [1] } },
  {
    name: 'recipients wait for a retry',
    wait: retry,
    pending: [2],
    ending: { end: { parkUntilMs: 77, clearStamps: false }, changed: [1] },
  },
  {
    name: 'the campaign is paused',
    stop: 'paused',
    pending: [2, 3],
    ending: { end: { parkUntilMs: 77, clearStamps: true }, changed: [1, 2, 3] },
  },
  {
    name: 'the app is throttled',
    wait: { delayMs: 5, isThrottled: true },
    pending: [2],
    ending: { end: { parkUntilMs: 77, clearStamps: true }, changed: [1, 2] },
  },
])('a batch ends as it should when $name', ({ stop, wait = noWait, pending, ending }) => {
  expect(endingOf([1], pending, { stop, wait, parkUntilMs: 77 })).toEqual(ending)
})

const answer = {
  kind: 'ok',
  state: 'sending',
  redisNowMs: 0,
  adjusted: [],
  live: 3,
  active: 2,
  wakeAt: 4,
  planPosition: 8,
  campaignFinished: false,
  batchClosed: true,
  settled: [],
  window: 4,
  rolledBack: false,
  replicated: true,
} as const

const plan = { live: 3, active: 2, wakeAt: 4, planPosition: 8 }

test.each([
  { state: 'sending', finished: false, leavesOthers: false },
  { state: 'completed', finished: true, leavesOthers: false },
  { state: 'cancelled', finished: false, leavesOthers: true },
  { state: 'halted', finished: true, leavesOthers: false },
  { state: 'expired', finished: false, leavesOthers: true },
] as const)('a closed batch of a campaign that is $state asks for a sweep: $leavesOthers', (row) => {
  const end = batchEnd(
    { ...answer, state: row.state, campaignFinished: row.finished },
    { stop: undefined, wait: noWait, delayMs: 0 },
  )
  expect(end).toEqual({ kind: 'closed', leavesOthers: row.leavesOthers, plan })
})

test('a parked batch reports its delay, its reason and the plan', () => {
  const parked = { ...answer, batchClosed: false }
  expect(batchEnd(parked, { stop: undefined, wait: retry, delayMs: 700 })).toEqual({
    kind: 'parked',
    delayMs: 700,
    reason: 'server-error',
    plan,
  })
  expect(batchEnd({ ...parked, state: 'paused' }, { stop: 'breaker', wait: retry, delayMs: 0 })).toMatchObject({
    reason: 'paused',
  })
})
