import { DAY_MS } from '@wns-fanout/domain'
import type { WebhookProgress } from '@wns-fanout/state'
import type { HttpsAnswer } from '@wns-fanout/wns'
import { problemOf } from './deliver.ts'

/** An event that is older than this is given up if it cannot be delivered. */
export const PATIENCE_MS = DAY_MS
/** Attempts for an event that the receiver calls wrong, since it blocks those behind it. */
export const MAX_REFUSALS = 8
const FIRST_DELAY_MS = 5000
const MAX_DELAY_MS = 3_600_000

/**
 * What follows from an attempt to deliver an event. An event that is `too-old` or that the receiver `refused` too often
 * is given up.
 */
export interface NextStep {
  readonly kind: 'delivered' | 'retry' | 'too-old' | 'refused' | 'disabled'
  readonly progress: WebhookProgress
}

/**
 * Decide after an attempt. Events are delivered in order, so one that fails keeps those behind it waiting: until it is
 * delivered, a day old, or refused too often for what it is.
 *
 * @param random 0 to 1, for the jitter
 */
export function nextStep(
  before: WebhookProgress,
  event: { readonly id: string; readonly atMs: number },
  answer: HttpsAnswer,
  { nowMs, random }: { readonly nowMs: number; readonly random: number },
): NextStep {
  const problem = problemOf(answer)
  if (problem === undefined) return { kind: 'delivered', progress: { cursor: event.id, failures: 0, nextAtMs: 0 } }
  const failures = before.failures + 1
  if (answer.kind === 'answer' && answer.status === 410)
    return { kind: 'disabled', progress: { cursor: before.cursor, failures, nextAtMs: 0, problem } }
  const asked = answer.kind === 'answer' ? (answer.retryAfterMs ?? 0) : 0
  const nextAtMs = Math.round(nowMs + Math.max(asked, delayMs(failures, random)))
  const givenUp = { cursor: event.id, failures, nextAtMs, problem }
  if (nowMs - event.atMs >= PATIENCE_MS) return { kind: 'too-old', progress: givenUp }
  if (isAboutTheEvent(answer) && failures >= MAX_REFUSALS) return { kind: 'refused', progress: givenUp }
  return { kind: 'retry', progress: { cursor: before.cursor, failures, nextAtMs, problem } }
}

/** While a webhook fails, events that waited for a day behind another one are given up without an attempt. */
export function isOverdue({ failures }: WebhookProgress, eventAtMs: number, nowMs: number): boolean {
  return failures > 0 && nowMs - eventAtMs >= PATIENCE_MS
}

/** Doubles from five seconds to an hour; the last fifth is jitter. */
function delayMs(failures: number, random: number): number {
  return Math.min(FIRST_DELAY_MS * 2 ** (failures - 1), MAX_DELAY_MS) * (0.8 + 0.2 * random)
}

/** The receiver is there and rejects this event, and may take the next one. */
function isAboutTheEvent(answer: HttpsAnswer): boolean {
  return answer.kind === 'answer' && [400, 413, 415, 422].includes(answer.status)
}
