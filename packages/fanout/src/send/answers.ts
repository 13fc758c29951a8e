import type { Disposition, FanoutEvent, Outcome } from '@wns-fanout/domain'
import type { GateChange, OpenBatch } from '@wns-fanout/state'
import type { AppBreaker } from './app-breaker.ts'
import { PROBE_EVERY_MS } from './app-breaker.ts'
import { decide } from './decide.ts'
import type { PermitSource } from './local-permits.ts'
import type { OutcomeBuffer } from './outcome-buffer.ts'
import type { Wait } from './park.ts'
import type { Poster } from './poster.ts'
import type { Recipients } from './recipients.ts'
import type { SetAside } from './set-aside.ts'
import type { BatchSpec, ParkReason } from './types.ts'

export interface AnswersDeps {
  readonly breaker: AppBreaker
  readonly permits: PermitSource
  readonly random: () => number
  readonly emit: (event: FanoutEvent) => void
  readonly recipients: Recipients
  readonly buffer: OutcomeBuffer
  readonly poster: Poster
  readonly aside: SetAside
  readonly redisNowMs: () => number
}

/** The effect of an answer on the rest of the run. */
export interface Effect {
  /** Recipients that are left have to wait. */
  readonly wait?: Wait | undefined
  /** Renew this token. */
  readonly renew?: string | undefined
  /** Start no more posts, and park for at least `delayMs`. */
  readonly stop?: { readonly reason: ParkReason; readonly delayMs: number } | undefined
}

/** Posts of one probe, while their answers show nothing about the app. */
const PROBES_AT_ONCE = 5

const untilNextProbe = { stop: { reason: 'breaker', delayMs: PROBE_EVERY_MS } } as const

/** Takes the answers to the posts of one batch: decides about the recipient, and judges the app. */
export class Answers {
  readonly #deps: AnswersDeps
  readonly #spec: BatchSpec
  readonly #opened: OpenBatch
  #probes = 0

  constructor(deps: AnswersDeps, spec: BatchSpec, opened: OpenBatch) {
    this.#deps = deps
    this.#spec = spec
    this.#opened = opened
  }

  record(position: number, outcome: Outcome, durationMs: number): Effect {
    const { buffer, recipients, permits, poster } = this.#deps
    buffer.answered(outcome, durationMs)
    if (outcome.kind !== 'app-throttled') permits.answered(poster.permittedAtMs(position))
    const posts = recipients.posts(position) + (outcome.kind === 'not-sent' ? 0 : 1)
    const disposition = this.#decide(position, outcome, posts)
    const wait = this.#apply(position, outcome, disposition, posts)
    if (outcome.kind !== 'accepted') this.#sample(position, outcome, disposition.kind === 'settle')
    this.#closeRawGate(position, outcome)
    return { wait, ...this.#judgeApp(position, outcome) }
  }

  #decide(position: number, outcome: Outcome, posts: number): Disposition {
    const { recipients, aside, random } = this.#deps
    const { delivery, maxAttempts } = this.#spec.terms
    // A probe carries the newest token, so it is no first try for a recipient that was posted to before.
    const reauthorized = aside.wasRefused(position) || (this.#spec.isProbe === true && posts > 1)
    const spent = recipients.spent(position)
    return decide(outcome, { posts, spent, reauthorized, delivery, maxAttempts, random: random() })
  }

  #apply(position: number, outcome: Outcome, disposition: Disposition, posts: number): Wait | undefined {
    const { recipients, buffer, aside, poster } = this.#deps
    switch (disposition.kind) {
      case 'settle':
        recipients.settle(position, disposition.code, posts)
        return undefined
      case 'bury':
        recipients.bury(position, disposition.code, posts)
        buffer.dead({ position, ordinal: this.#ordinal(position), uri: this.#opened.uris[position] ?? '' })
        return undefined
      case 'reauthorize':
        recipients.retryLater(position, 'unauthorized', recipients.spent(position), posts)
        aside.add(position, poster.token(position), performance.now())
        return undefined
      case 'retry':
        recipients.retryLater(position, disposition.reason, disposition.spent, posts)
        if (outcome.kind === 'channel-throttled') this.#hold(position, disposition.delayMs)
        if (outcome.kind === 'app-throttled') this.#slowDown(position, outcome)
        return {
          delayMs: disposition.delayMs,
          reason: disposition.reason,
          isThrottled: outcome.kind === 'app-throttled',
        }
      default:
        return disposition satisfies never
    }
  }

  #hold(position: number, delayMs: number): void {
    const { buffer, redisNowMs } = this.#deps
    const holdUntilSecond = Math.ceil((redisNowMs() + delayMs) / 1000)
    buffer.gate({ ...this.#posted(position), closeRawGate: false, holdUntilSecond })
  }

  #slowDown(position: number, { status, retryAfterMs }: Outcome & { readonly kind: 'app-throttled' }): void {
    const { permits, poster, emit } = this.#deps
    permits.slowDown(poster.permittedAtMs(position), retryAfterMs)
    const { app } = this.#spec.ref
    emit({ type: 'app.throttled', app, status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
  }

  #sample(position: number, outcome: Outcome, isFinal: boolean): void {
    const { buffer, emit, redisNowMs } = this.#deps
    if (!buffer.sample(this.#ordinal(position), outcome, redisNowMs())) return
    if (!isFinal || outcome.kind === 'dropped' || outcome.kind === 'not-sent') return
    const { app, campaign } = this.#spec.ref
    const { status = 'none', trace = {} } = outcome
    emit({ type: 'post.refused', app, campaign, status, trace })
  }

  #closeRawGate(position: number, outcome: Outcome): void {
    const { message, keepRawGates } = this.#spec
    if (message.type !== 'raw' || keepRawGates === true || !isAway(outcome, message.isCached)) return
    this.#deps.buffer.gate({ ...this.#posted(position), closeRawGate: true, holdUntilSecond: 0 })
  }

  /** Does the answer concern the app as a whole, or its token? */
  #judgeApp(position: number, outcome: Outcome): Omit<Effect, 'wait'> | undefined {
    const { breaker, poster } = this.#deps
    const token = poster.token(position)
    const verdict = breaker.record(outcome, token, poster.postedMs(position))
    if (verdict === 'open') return untilNextProbe
    if (this.#spec.isProbe === true) return this.#judgeProbe(outcome)
    return verdict === 'renew' ? { renew: token } : undefined
  }

  /** The connections of a few recipients may always fail, and they must not keep the breaker open for a minute each. */
  #judgeProbe(outcome: Outcome): Omit<Effect, 'wait'> | undefined {
    const { breaker, emit } = this.#deps
    const kind = breaker.openFor
    const verdict = breaker.probed(outcome)
    this.#probes += 1
    if (kind !== undefined)
      emit({ type: 'breaker.probed', app: this.#spec.ref.app, kind, answer: outcome.kind, verdict })
    if (verdict === 'closed') return { stop: { reason: 'in-hand', delayMs: 0 } }
    return verdict === 'unclear' && this.#probes < PROBES_AT_ONCE ? undefined : untilNextProbe
  }

  #posted(position: number): Pick<GateChange, 'ordinal' | 'uri' | 'postedSecond'> {
    const postedSecond = Math.floor(this.#deps.poster.permittedAtMs(position) / 1000)
    return { ordinal: this.#ordinal(position), uri: this.#opened.uris[position] ?? '', postedSecond }
  }

  #ordinal(position: number): number {
    return this.#opened.ordinals[position] ?? 0
  }
}

/**
 * After these answers WNS wants no more raw notifications for the channel until its app asks for them again. A cached
 * one that was accepted for a disconnected device is delivered later.
 */
function isAway(outcome: Outcome, isCached: boolean): boolean {
  return outcome.kind === 'dropped' || (outcome.kind === 'accepted' && outcome.device === 'disconnected' && !isCached)
}
