import type { Outcome } from '@wns-fanout/domain'
import { code, codeOf } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import type { OutcomeMerge } from '../recover/outcome-merge.ts'
import type { Answers } from './answers.ts'
import { PROBE_EVERY_MS } from './app-breaker.ts'
import type { Checkpointer, Proposal } from './checkpointer.ts'
import { checkpointed } from './checkpointer.ts'
import type { Ending, Stop, Wait } from './park.ts'
import { NO_REPLICA_MS, batchEnd, endingOf, longerWait, noWait, parkDelayMs } from './park.ts'
import type { HostWaits } from './host-waits.ts'
import type { Poster } from './poster.ts'
import type { Recipients } from './recipients.ts'
import type { BatchRunDeps } from './run-parts.ts'
import { createParts } from './run-parts.ts'
import { isFinal } from './resend.ts'
import type { SetAside } from './set-aside.ts'
import type { TokenInUse } from './token-in-use.ts'
import type { Acknowledged, BatchEnd, BatchSpec, ParkReason } from './types.ts'

/** A worker holds a batch for no longer than this. */
const IN_HAND_MS = 60_000
/** While the app has to rest for longer than this, its batches are parked. */
const LONG_REST_MS = 3000
const NO_TOKEN_MS = 5000
/** Time until a suspect batch asks again whether another one is still in hand. */
const SUSPECTED_MS = 2000
/** Time until the changed URI of a dead channel is tried. */
const ROTATED_MS = 1000

/**
 * One opened batch on its way to closed, parked or fenced.
 *
 * Recipients are posted to in the order of their ordinals, each only after the ledger acknowledged its credit. At most
 * one checkpoint is under way; it carries the outcomes and asks for more credit. Everything that can start a post (a
 * free lane, a permit, a token, new credit) calls `#pump`. The run ends once nothing is under way and nothing more may
 * start: the last checkpoint then closes or parks the batch. A run whose batch has another owner ends at once. If that
 * is because Redis went back in time, it first waits for the answers under way and merges its outcomes.
 */
export class BatchRun {
  readonly #deps: BatchRunDeps
  readonly #spec: BatchSpec
  readonly #opened: OpenBatch
  readonly #openedMs = performance.now()
  readonly #recipients: Recipients
  readonly #poster: Poster
  readonly #checkpointer: Checkpointer
  readonly #hostWaits: HostWaits
  readonly #aside: SetAside
  readonly #answers: Answers
  readonly #token: TokenInUse
  readonly #merge: OutcomeMerge
  readonly #end = Promise.withResolvers<BatchEnd>()
  #isDone = false
  #stop: Stop | undefined
  #wait: Wait = noWait

  constructor(deps: BatchRunDeps, spec: BatchSpec, opened: OpenBatch) {
    this.#deps = deps
    this.#spec = spec
    this.#opened = opened
    const parts = createParts(deps, spec, opened, {
      onAnswer: (...answer) => this.#answered(...answer),
      onFree: () => this.#pump(),
      onToken: () => this.#pump(),
      onNoToken: () => this.#rest('no-token', NO_TOKEN_MS),
      onMerged: () => this.#finish({ kind: 'fenced', forgotten: true }),
      onError: (error) => this.#fail(error),
      redisNowMs: () => this.#redisNowMs(),
    })
    this.#recipients = parts.recipients
    this.#poster = parts.poster
    this.#checkpointer = parts.checkpointer
    this.#answers = parts.answers
    this.#hostWaits = parts.hostWaits
    this.#aside = parts.aside
    this.#token = parts.token
    this.#merge = parts.merge
  }

  /** Runs until the batch is closed, parked or lost; rejects when the ledger cannot be reached or refuses. */
  async run(signal: AbortSignal): Promise<BatchEnd> {
    const abort = (): void => {
      this.#deps.reached?.('stopping')
      this.#halt('stopping')
    }
    const unsubscribe = this.#deps.permits.onGranted(() => this.#pump())
    this.#checkpointer.start(() => this.#tick())
    signal.addEventListener('abort', abort, { once: true })
    try {
      if (signal.aborted) this.#halt('stopping')
      else if (!this.#opened.replicated) this.#rest('no-replica', NO_REPLICA_MS)
      else if (this.#spec.anotherSuspectOpen === true) this.#rest('suspected', SUSPECTED_MS)
      else if (this.#spec.isProbe === true && this.#deps.breaker.openFor === 'token') this.#token.refresh()
      this.#pump()
      return await this.#end.promise
    } finally {
      this.#checkpointer.stop()
      signal.removeEventListener('abort', abort)
      unsubscribe()
      this.#poster.leave()
    }
  }

  /** Ask the ledger at once whether this run still owns the batch. */
  check(): void {
    this.#checkpoint()
  }

  /** Start every post that may start now. */
  #pump(): void {
    const recipients = this.#recipients
    if (this.#aside.size > 0) this.#releaseAside(false)
    while (this.#stop === undefined && !this.#isDone && recipients.next >= 0) {
      const nowMs = performance.now()
      if (!this.#checkpointer.hasLease(nowMs) || !this.#deps.isRegistered()) return
      if (this.#deps.breaker.isOpen && this.#spec.isProbe !== true) return this.#rest('breaker', PROBE_EVERY_MS)
      if (this.#isAheadOfPace(nowMs)) return
      const token = this.#token.current()
      if (token === undefined) return this.#token.fetch()
      if (!this.#startPost(recipients.next, token)) return
    }
    if (this.#poster.inFlight > 0 && recipients.isOutOfCredit) this.#deps.reached?.('window-full')
    this.#endIfDone()
  }

  /** A campaign that is spread over a time posts no faster than that, however fast the app may post. */
  #isAheadOfPace(nowMs: number): boolean {
    const { paceRatePerSecond } = this.#spec
    if (paceRatePerSecond === undefined) return false
    return this.#recipients.started > ((nowMs - this.#openedMs) * paceRatePerSecond) / 1000
  }

  /** @returns false when the turn of the recipient has to wait */
  #startPost(position: number, token: string): boolean {
    const step = this.#poster.tryPost(position, token)
    if (step === 'waits') return false
    this.#recipients.pass()
    switch (step) {
      case 'posted':
        this.#deps.reached?.('post-written')
        break
      case 'bad-uri':
        this.#recipients.settle(position, code.rejectedUnexpected)
        break
      case 'too-large':
        this.#recipients.settle(position, code.rejectedTooLarge)
        break
      case 'invalid-content':
      case 'missing-variable':
        this.#recipients.settle(position, code.rejectedInvalidContent)
        break
      case 'host-rests':
        this.#wait = longerWait(this.#wait, this.#hostWaits.leave(position))
        break
      default:
        step satisfies never
    }
    return true
  }

  #answered(position: number, outcome: Outcome, durationMs: number): void {
    this.#poster.answered(position, outcome)
    if (this.#isDone && !this.#merge.isLeft) return
    this.#deps.reached?.('answer-read')
    const { wait, renew, stop } = this.#answers.record(position, outcome, durationMs)
    if (this.#isDone) return
    if (wait !== undefined) this.#wait = longerWait(this.#wait, wait)
    if (renew !== undefined) this.#token.renew(renew)
    if (stop !== undefined) this.#rest(stop.reason, stop.delayMs)
    this.#deps.reached?.('answer-recorded')
    if (this.#checkpointer.isHalfWindowDone) this.#checkpoint()
    this.#pump()
  }

  /** Post once more to recipients that got a 401, or reject them, as soon as it is clear which. */
  #releaseAside(isLast: boolean): void {
    const recipients = this.#recipients
    for (;;) {
      const token = this.#token.current()
      if (token === undefined) {
        if (isLast) this.#token.fetch()
        return
      }
      const step = this.#aside.next(token, performance.now(), isLast && !recipients.hasNext)
      if (step === undefined) break
      if (step.kind === 'renew') return this.#token.renew(step.token)
      if (step.kind === 'post') recipients.lineUpAgain(step.position)
      else recipients.settle(step.position, code.rejectedUnauthorized)
    }
    if (isLast) this.#endIfDone()
  }

  #tick(): void {
    const nowMs = performance.now()
    if (this.#merge.isStarted) return this.#merge.advance()
    const restMs = this.#deps.permits.pausedUntilMs - this.#redisNowMs()
    if (restMs > 0) this.#deps.reached?.('resting')
    if (restMs > LONG_REST_MS && this.#stop === undefined) {
      this.#rest('app-throttled', restMs, true)
    } else if (nowMs - this.#openedMs > IN_HAND_MS) this.#halt('in-hand')
    if (this.#checkpointer.isDue(nowMs)) this.#checkpoint()
    this.#pump()
  }

  /** Park the batch, due in `delayMs`. */
  #rest(reason: ParkReason, delayMs: number, isThrottled = false): void {
    this.#wait = longerWait(this.#wait, { delayMs, isThrottled })
    this.#halt(reason)
  }

  /** Start no more posts; the run ends when those under way have their answers. */
  #halt(stop: Stop): void {
    this.#stop ??= stop
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#merge.isStarted) return this.#merge.advance()
    if (this.#poster.inFlight > 0 || this.#checkpointer.isUnderWay || this.#isDone) return
    if (this.#stop === undefined) {
      const { hasNext, next } = this.#recipients
      if (hasNext && next < 0) this.#checkpoint()
      if (hasNext) return
      if (this.#aside.size > 0) return this.#releaseAside(true)
    }
    this.#checkpoint((changed) => this.#ending(changed))
  }

  #finish(end: BatchEnd): void {
    this.#isDone = true
    this.#end.resolve(end)
  }

  #fail(error: unknown): void {
    if (!isFinal(error)) this.#merge.leave()
    this.#isDone = true
    this.#end.reject(error)
  }

  /** Send the outcomes since the last checkpoint, and ask for more credit or for the end. */
  #checkpoint(endOf?: (changed: readonly number[]) => Ending): void {
    if (this.#checkpointer.isUnderWay || this.#isDone || this.#merge.isStarted) return
    const wantsCredit = endOf === undefined && this.#stop === undefined
    const proposal = this.#checkpointer.propose(wantsCredit ? this.#poster.inFlight : undefined, endOf)
    this.#deps.ledger
      .checkpoint(proposal.change)
      .then((answer) => {
        this.#deps.reached?.('checkpoint-executed')
        this.#checkpointer.acknowledged(proposal, answer)
        if (proposal.change.dead.length > 0) this.#deps.reached?.('dead-removed')
        if (answer.kind !== 'closed' && answer.rolledBack) this.#rolledBack()
        if (answer.kind === 'ok') this.#acknowledged(proposal, answer)
        else this.#fenced(answer.kind === 'fenced' && (answer.rolledBack || answer.isForgotten === true))
      })
      // Any error here, also from a listener, ends only this run.
      .catch((error: unknown) => this.#fail(error))
  }

  #ending(changed: readonly number[]): Ending {
    const parkUntilMs = this.#redisNowMs() + this.#parkDelayMs()
    return endingOf(changed, this.#recipients.pending(), { stop: this.#stop, wait: this.#wait, parkUntilMs })
  }

  #parkDelayMs(): number {
    const { heldUntilSecond } = this.#opened
    const heldForMs = heldUntilSecond > 0 ? heldUntilSecond * 1000 - this.#redisNowMs() : undefined
    return parkDelayMs(this.#stop, this.#wait, heldForMs)
  }

  #rolledBack(): void {
    const { app, campaign, seq } = this.#spec.ref
    this.#deps.emit({ type: 'ledger.rolled-back', app, campaign, seq })
    this.#deps.onRollback()
  }

  #fenced(isForgotten: boolean): void {
    const { app, campaign, seq } = this.#spec.ref
    if (this.#stop !== 'fenced') this.#deps.emit({ type: 'batch.fenced', app, campaign, seq })
    this.#stop = 'fenced'
    if (isForgotten) this.#merge.start()
    else this.#finish({ kind: 'fenced', forgotten: false })
  }

  #acknowledged(proposal: Proposal, answer: Acknowledged): void {
    this.#deps.emit(checkpointed(this.#spec, proposal, answer))
    if (proposal.change.end !== undefined)
      return this.#finish(batchEnd(answer, { stop: this.#stop, wait: this.#wait, delayMs: this.#parkDelayMs() }))
    if (!answer.replicated) this.#rest('no-replica', NO_REPLICA_MS)
    if (answer.adjusted.some(({ byte }) => codeOf(byte) === code.rotated))
      this.#wait = longerWait(this.#wait, { delayMs: ROTATED_MS })
    if (answer.state === 'paused') this.#halt('paused')
    else if (answer.state !== 'sending') this.#halt('final')
    this.#pump()
  }

  #redisNowMs(): number {
    return this.#opened.redisNowMs + performance.now() - this.#openedMs
  }
}
