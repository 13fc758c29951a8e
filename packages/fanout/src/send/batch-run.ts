import type { BodyRejection, Code, FanoutEvent, Outcome, PreparedMessage, RetryReason } from '@wns-fanout/domain'
import { bodyFor, code, codeOf, isTerminal, splitChannelUri } from '@wns-fanout/domain'
import type { BatchRef, BatchTerms, MergeAnswer, Checkpoint, CheckpointAnswer, OpenBatch } from '@wns-fanout/state'
import { TokenRefused } from '@wns-fanout/state'
import type { LanePool, LaneSender } from '@wns-fanout/wns'
import type { AppBreaker } from './app-breaker.ts'
import { PROBE_EVERY_MS } from './app-breaker.ts'
import type { HostBreakers } from './host-breakers.ts'
import type { CrashPoints } from '../crash-points.ts'
import { decide } from './decide.ts'
import type { OutcomeReport } from './outcome-buffer.ts'
import { OutcomeBuffer } from './outcome-buffer.ts'
import type { Permit, PermitSource } from './local-permits.ts'
import { PostHeaders } from './post-headers.ts'
import { Recipients } from './recipients.ts'

/** The token of one app. `current` is what to post with now; a refused one is given back by `reject`. */
export interface TokenSource {
  current(): string | undefined
  /** WNS took a post with it: a later 401 then means that it ended, not that the credentials are wrong. Cheap to call. */
  accepted(token: string): void
  /** Get a token, or a new one in place of `rejected`. Throws when the token service refuses. */
  fetch(rejected?: string): Promise<void>
}

export interface BatchRunDeps extends CrashPoints {
  readonly lanes: Pick<LanePool, 'join'>
  readonly hosts: HostBreakers
  readonly breaker: AppBreaker
  readonly permits: PermitSource
  readonly token: TokenSource
  readonly checkpoint: (change: Checkpoint) => Promise<CheckpointAnswer>
  /** Where Redis has forgotten that we opened the batch: hand over what we know of it. */
  readonly mergeOutcomes: (vector: Uint8Array) => Promise<MergeAnswer>
  readonly emit: (event: FanoutEvent) => void
  /** Milliseconds after the last acknowledged checkpoint during which posts may start. */
  readonly leaseMs: number
  readonly random: () => number
}

export interface BatchSpec {
  readonly ref: BatchRef
  readonly terms: BatchTerms
  readonly message: PreparedMessage
  /** Posts a second at most, for a campaign that is spread over a time. */
  readonly paceRatePerSecond?: number | undefined
  /** Post one notification to find out whether the app's breaker may close. */
  readonly isProbe?: boolean | undefined
  /** Give the batch back at once: it is suspected, and so is another one in hand. */
  readonly isTooMany?: boolean | undefined
}

export type BatchEnd =
  | {
      readonly kind: 'closed'
      /** The campaign was cancelled, halted or has expired, and batches that nobody holds are to be swept. */
      readonly leavesOthers: boolean
      readonly live: number
      readonly planCursor: number
    }
  /** `delayMs` from now on; `reason` says what the batch waits for. */
  | {
      readonly kind: 'parked'
      readonly delayMs: number
      readonly reason: ParkReason
      readonly live: number
      readonly planCursor: number
    }
  /** `forgotten`: Redis went back in time, so that the batch may have no job either. */
  | { readonly kind: 'fenced'; readonly forgotten: boolean }

export type ParkReason =
  | RetryReason
  | 'breaker'
  | 'paused'
  | 'stopping'
  | 'in-hand'
  | 'no-token'
  | 'no-replica'
  | 'suspected'
  | 'held'

const CHECKPOINT_MS = 250
/** Without anything to tell, a checkpoint still asks how the campaign stands and renews the lease. */
const HEARTBEAT_MS = 2000
/** A worker never sits on a batch for longer than this. */
const IN_HAND_MS = 60_000
/** A rest of the app that is longer than this is not waited for with a batch in hand. */
const LONG_PAUSE_MS = 3000
const NO_TOKEN_MS = 5000
/** When it is looked again whether replicas answer. */
export const NO_REPLICA_MS = 2000
/** When it is looked again whether another suspected batch is still in hand. */
const SUSPECTED_MS = 2000
/** A lane gives a post up before this; what has no answer by then is bequeathed as uncertain. */
const LAST_ANSWERS_MS = 15_000

/**
 * One opened batch on its way to closed, parked or fenced.
 *
 * Recipients are posted to in the order of their ordinals, each only after the ledger acknowledged its credit. At most
 * one checkpoint is under way; it carries what was settled and asks for more credit. Everything that can start a post
 * (a free lane, a permit, a token, new credit) calls `#pump`. The run ends once nothing is under way and nothing more
 * may start: the last checkpoint then closes or parks the batch. A run whose batch has another owner ends at once; if that
 * is because Redis went back in time, it waits for the answers under way and bequeaths what it knows.
 */
export class BatchRun {
  readonly #deps: BatchRunDeps
  readonly #spec: BatchSpec
  readonly #opened: OpenBatch
  readonly #lanes: LaneSender
  readonly #headers: PostHeaders
  /** Credit at most now: small while the campaign has few answers, so that one that is refused by all stops early. */
  #window: number
  readonly #recipients: Recipients
  readonly #reauthorized = new Set<number>()
  #inFlight = 0

  #number = 0
  #checkpointing = false
  #timer: NodeJS.Timeout | undefined
  #acknowledgedAtMs: number
  readonly #openedAtMs: number
  #stop: ParkReason | 'fenced' | 'final' | undefined
  /** A permit that found no lane: kept until it lapses. */
  #permit: Permit | undefined
  readonly #permittedAtMs: Float64Array
  /** Of each post: where it went, and with which token; a late 401 speaks of that one, not of the present one. */
  readonly #origins: string[]
  readonly #postedWith: string[]
  #fetchingToken = false
  #rejectedToken: string | undefined
  #retryDelayMs = 0
  #retryReason: RetryReason | undefined
  #throttled = false
  /** Since when Redis is known to have forgotten this run. */
  #forgottenAtMs: number | undefined
  #merging = false
  #hasMerged = false

  readonly #outcomes = new OutcomeBuffer()

  #done = false
  #finish: (end: BatchEnd) => void = () => {}
  #fail: (error: unknown) => void = () => {}

  constructor(deps: BatchRunDeps, spec: BatchSpec, opened: OpenBatch) {
    this.#deps = deps
    this.#spec = spec
    this.#opened = opened
    this.#openedAtMs = performance.now()
    this.#acknowledgedAtMs = this.#openedAtMs
    this.#recipients = new Recipients(opened, spec.terms.maxAttempts)
    this.#lanes = deps.lanes.join(spec.ref.app, { done: this.#answered, onFree: () => this.#pump() })
    this.#window = opened.firstWindow
    this.#permittedAtMs = new Float64Array(opened.vector.length)
    this.#origins = Array.from({ length: opened.vector.length }, () => '')
    this.#postedWith = [...this.#origins]
    this.#headers = new PostHeaders(spec.message, opened)
  }

  /** Runs until the batch is closed, parked or lost; rejects when the ledger cannot be reached or refuses. */
  async run(signal: AbortSignal): Promise<BatchEnd> {
    const pump = (): void => this.#pump()
    const abort = (): void => {
      this.#deps.reached?.('stopping')
      this.#halt('stopping')
    }
    const unsubscribe = this.#deps.permits.onGranted(pump)
    this.#timer = setInterval(() => this.#tick(), CHECKPOINT_MS)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await new Promise<BatchEnd>((resolve, reject) => {
        this.#finish = (end) => {
          this.#done = true
          resolve(end)
        }
        this.#fail = (error) => {
          this.#done = true
          reject(error)
        }
        if (signal.aborted) this.#halt('stopping')
        else if (!this.#opened.replicated) this.#rest('no-replica', NO_REPLICA_MS)
        else if (this.#spec.isTooMany === true) this.#rest('suspected', SUSPECTED_MS)
        this.#pump()
      })
    } finally {
      clearInterval(this.#timer)
      signal.removeEventListener('abort', abort)
      unsubscribe()
      this.#lanes.leave()
    }
  }

  /** Ask the ledger at once whether the batch is still ours. */
  check(): void {
    this.#checkpoint()
  }

  /** Start every post that may start now. */
  #pump(): void {
    const recipients = this.#recipients
    while (this.#stop === undefined && !this.#done) {
      const position = recipients.next
      if (position < 0) break
      const nowMs = performance.now()
      if (nowMs - this.#acknowledgedAtMs > this.#deps.leaseMs) return
      if (this.#deps.breaker.isOpen && this.#spec.isProbe !== true) return this.#rest('breaker', PROBE_EVERY_MS)
      if (this.#isAheadOfPace(nowMs)) return
      const token = this.#deps.token.current()
      if (token === undefined) return this.#fetchToken()
      if (token === this.#rejectedToken && this.#fetchingToken) return
      const target = splitChannelUri(this.#opened.uris[position] ?? '')
      const body = target === null ? 'bad-uri' : this.#body(position)
      if (target === null || typeof body === 'string') {
        // A URI that no token may be sent to, or variables that make the notification too large or invalid.
        recipients.pass()
        recipients.settle(position, typeof body === 'string' ? unsent[body] : code.rejectedUnexpected)
        this.#outcomes.settled(position)
        continue
      }
      const restMs = this.#deps.hosts.restMs(target.origin)
      if (restMs > 0) {
        // It waits for its host, and that costs no attempt.
        recipients.pass()
        recipients.putOff(position)
        this.#outcomes.waits('host-resting')
        this.#retryAfter(restMs, 'host-resting')
        continue
      }
      const permit = this.#takePermit()
      if (permit === undefined) return this.#deps.hosts.notPosted(target.origin)
      const headers = this.#headers.next(token)
      this.#deps.reached?.('credit-granted')
      this.#origins[position] = target.origin
      this.#postedWith[position] = token
      if (!this.#lanes.tryPost(target.origin, target.path, headers, body, position))
        return this.#deps.hosts.notPosted(target.origin)
      this.#permit = undefined
      this.#permittedAtMs[position] = permit.grantedAtMs
      recipients.pass()
      this.#inFlight += 1
      this.#deps.reached?.('post-written')
    }
    if (this.#inFlight > 0 && recipients.lackCredit) this.#deps.reached?.('window-full')
    this.#endIfDone()
  }

  /** A campaign that is spread over a time posts no faster than that, whatever the app may. */
  #isAheadOfPace(nowMs: number): boolean {
    const { paceRatePerSecond } = this.#spec
    if (paceRatePerSecond === undefined) return false
    return this.#recipients.started > ((nowMs - this.#openedAtMs) * paceRatePerSecond) / 1000
  }

  #takePermit(): Permit | undefined {
    if (this.#permit === undefined || performance.now() >= this.#permit.lapsesAtMs)
      this.#permit = this.#deps.permits.take()
    return this.#permit
  }

  #retryAfter(delayMs: number, reason: RetryReason): void {
    if (delayMs <= this.#retryDelayMs) return
    this.#retryDelayMs = delayMs
    this.#retryReason = reason
  }

  /** Park, and come back in `delayMs`. */
  #rest(reason: ParkReason, delayMs: number): void {
    this.#retryDelayMs = Math.max(this.#retryDelayMs, delayMs)
    this.#halt(reason)
  }

  #body(position: number): Buffer | BodyRejection {
    const { message, terms } = this.#spec
    if (message.body !== null && message.variants.size === 0) return message.body
    const text = terms.wantsVariables ? this.#opened.variables[position] : ''
    const vars = text === undefined || text === '' ? undefined : (JSON.parse(text) as Record<string, string>)
    const locale = this.#opened.locales[position]
    const rendered = bodyFor(message, vars, locale === '' ? undefined : locale)
    return rendered.ok ? rendered.body : rendered.reason
  }

  readonly #answered = (position: number, outcome: Outcome, durationMs: number): void => {
    this.#inFlight -= 1
    if (this.#done) return
    this.#deps.reached?.('answer-read')
    const reauthorized = this.#reauthorized.has(position)
    this.#deps.hosts.record(this.#origins[position] ?? '', isHostTrouble(outcome))
    const written = outcome.kind !== 'not-sent'
    const recipients = this.#recipients
    const posts = recipients.posts(position) + (written ? 1 : 0)
    this.#outcomes.answered(outcome, durationMs)
    if (outcome.kind === 'accepted') this.#deps.token.accepted(this.#postedWith[position] ?? '')
    if (outcome.kind !== 'app-throttled') this.#deps.permits.answered(this.#permittedAtMs[position] ?? 0)
    const disposition = decide(outcome, {
      posts,
      spent: recipients.spent(position),
      reauthorized,
      delivery: this.#spec.terms.delivery,
      maxAttempts: this.#spec.terms.maxAttempts,
      random: this.#deps.random(),
    })
    switch (disposition.kind) {
      case 'settle':
        recipients.settle(position, disposition.code, posts)
        this.#outcomes.settled(position)
        break
      case 'bury':
        recipients.bury(position, disposition.code, posts)
        this.#outcomes.settled(position)
        this.#outcomes.dead({
          position,
          ordinal: this.#opened.ordinals[position] ?? 0,
          uri: this.#opened.uris[position] ?? '',
        })
        break
      case 'retry':
        recipients.putOff(position, disposition.spent, posts)
        this.#retryLater(position, outcome, disposition.delayMs, disposition.reason)
        break
      case 'reauthorize':
        recipients.repeat(position, posts)
        this.#reauthorized.add(position)
        this.#outcomes.retried('unauthorized')
        this.#fetchToken(this.#postedWith[position])
        break
      default:
        disposition satisfies never
    }
    if (outcome.kind !== 'accepted') this.#sample(position, outcome, disposition.kind === 'settle')
    if (this.#deps.breaker.record(outcome, reauthorized)) this.#rest('breaker', PROBE_EVERY_MS)
    else if (this.#spec.isProbe === true && disposition.kind !== 'reauthorize') {
      if (this.#deps.breaker.probed(outcome)) this.#halt('in-hand')
      else this.#rest('breaker', PROBE_EVERY_MS)
    }
    if (this.#spec.message.type === 'raw' && isAway(outcome))
      this.#outcomes.gate({ ordinal: this.#opened.ordinals[position] ?? 0, closeRawGate: true, holdUntilSecond: 0 })
    this.#deps.reached?.('answer-recorded')
    // Once everybody has credit, the next tick is soon enough: there is no more to be had.
    if (this.#outcomes.count >= this.#window / 2 && recipients.awaitCredit) this.#checkpoint()
    this.#pump()
  }

  #retryLater(position: number, outcome: Outcome, delayMs: number, reason: RetryReason): void {
    this.#outcomes.waits(reason)
    if (reason === 'channel-throttled') {
      const holdUntilSecond = Math.ceil((this.#redisNowMs() + delayMs) / 1000)
      this.#outcomes.gate({ ordinal: this.#opened.ordinals[position] ?? 0, closeRawGate: false, holdUntilSecond })
    }
    if (outcome.kind === 'app-throttled') {
      this.#throttled = true
      this.#deps.permits.slowDown(this.#permittedAtMs[position] ?? 0, outcome.retryAfterMs)
      this.#deps.emit({
        type: 'app.throttled',
        app: this.#spec.ref.app,
        status: outcome.status,
        ...(outcome.retryAfterMs === undefined ? {} : { retryAfterMs: outcome.retryAfterMs }),
      })
    }
    this.#retryAfter(delayMs, reason)
  }

  #sample(position: number, outcome: Outcome, isFinal: boolean): void {
    if (!this.#outcomes.sample(this.#opened.ordinals[position] ?? 0, outcome, this.#redisNowMs())) return
    if (!isFinal || outcome.kind === 'dropped' || outcome.kind === 'not-sent') return
    const { app, campaign } = this.#spec.ref
    const { status = 'none', trace = {} } = outcome
    this.#deps.emit({ type: 'post.refused', app, campaign, status, trace })
  }

  #fetchToken(rejected?: string): void {
    if (this.#fetchingToken) return
    // Another batch has had the token renewed already.
    if (rejected !== undefined && this.#deps.token.current() !== rejected) return
    this.#fetchingToken = true
    this.#rejectedToken = rejected
    this.#deps.token
      .fetch(rejected)
      .then(
        () => {
          this.#fetchingToken = false
        },
        (error: unknown) => {
          this.#fetchingToken = false
          this.#deps.emit({ type: 'token.unavailable', app: this.#spec.ref.app, error })
          if (error instanceof TokenRefused && error.code === 'token-rejected') this.#deps.breaker.tokenRejected()
          this.#rest('no-token', NO_TOKEN_MS)
        },
      )
      .finally(() => this.#pump())
      .catch((error: unknown) => this.#fail(error))
  }

  #tick(): void {
    const now = performance.now()
    if (this.#forgottenAtMs !== undefined) return this.#mergeOutcomes()
    const restMs = this.#deps.permits.pausedUntilMs - this.#redisNowMs()
    if (restMs > 0) this.#deps.reached?.('resting')
    if (restMs > LONG_PAUSE_MS && this.#stop === undefined) {
      this.#throttled = true
      this.#rest('app-throttled', restMs)
    } else if (now - this.#openedAtMs > IN_HAND_MS) this.#halt('in-hand')
    if (this.#outcomes.count > 0 || now - this.#acknowledgedAtMs > HEARTBEAT_MS) this.#checkpoint()
    this.#pump()
  }

  /** Start nothing more; the run ends when what is under way has its answer. */
  #halt(why: ParkReason | 'fenced' | 'final'): void {
    this.#stop ??= why
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#forgottenAtMs !== undefined) return this.#mergeOutcomes()
    if (this.#inFlight > 0 || this.#checkpointing || this.#done) return
    if (this.#stop === undefined) {
      const { areLeft, next } = this.#recipients
      if (areLeft && next < 0) this.#checkpoint()
      if (areLeft) return
    }
    this.#checkpoint(true)
  }

  /** Tell the ledger what came of the batch since the last time, and ask for more credit or for the end. */
  #checkpoint(last = false): void {
    if (this.#checkpointing || this.#done || this.#forgottenAtMs !== undefined) return
    this.#checkpointing = true
    // The tick is for what no checkpoint told for so long.
    this.#timer?.refresh()
    const proposal = this.#proposal(last)
    const sentAtMs = performance.now()
    this.#deps
      .checkpoint(proposal.change)
      .then((answer) => {
        this.#deps.reached?.('checkpoint-executed')
        if (proposal.change.dead.length > 0) this.#deps.reached?.('dead-removed')
        this.#checkpointing = false
        this.#acknowledged(proposal, answer, sentAtMs)
      })
      // Whatever goes wrong here, a listener that throws included, costs this batch its owner and nothing else.
      .catch((error: unknown) => this.#fail(error))
  }

  #proposal(last: boolean): Proposal {
    const recipients = this.#recipients
    const wantsMore = !last && this.#stop === undefined
    const credit = wantsMore ? recipients.creditWanted(this.#window, this.#inFlight) : recipients.credited
    if (last) recipients.giveBackCredit()
    this.#number += 1
    const report = this.#outcomes.drain()
    const ending = last ? this.#ending(report.changed) : {}
    const vector = recipients.withCredit(credit)
    return { change: { ...report, number: this.#number, vector, ...ending }, report, credit, last }
  }

  #ending(changed: readonly number[]): Pick<Checkpoint, 'end' | 'changed'> {
    const pending = this.#recipients.pending()
    if (pending.length === 0 || this.#stop === 'final') return { end: 'close', changed }
    const clearStamps = this.#stop === 'paused' || this.#throttled
    return {
      end: { parkUntilMs: this.#redisNowMs() + this.#parkDelayMs(), clearStamps },
      changed: clearStamps ? [...changed, ...pending] : changed,
    }
  }

  #parkDelayMs(): number {
    if (this.#stop === 'stopping' || this.#stop === 'in-hand' || this.#stop === 'paused') return 0
    if (this.#retryDelayMs > 0) return this.#retryDelayMs
    const heldMs = this.#opened.heldUntilSecond * 1000 - this.#redisNowMs()
    return this.#opened.heldUntilSecond > 0 ? Math.max(heldMs, 100) : 1000
  }

  #acknowledged(proposal: Proposal, answer: CheckpointAnswer, sentAtMs: number): void {
    const { app, campaign, seq } = this.#spec.ref
    if (answer.kind !== 'closed' && answer.rolledBack)
      this.#deps.emit({ type: 'ledger.rolled-back', app, campaign, seq })
    if (answer.kind !== 'ok') {
      if (this.#stop !== 'fenced') {
        this.#deps.emit({ type: 'batch.fenced', app, campaign, seq })
      }
      this.#stop = 'fenced'
      if (answer.kind === 'closed' || !answer.rolledBack) return this.#finish({ kind: 'fenced', forgotten: false })
      this.#forgottenAtMs = performance.now()
      return this.#mergeOutcomes()
    }
    // What its replicas do not know, whoever takes the place of this Redis does not know either.
    if (answer.replicated) this.#acknowledgedAtMs = sentAtMs
    this.#window = answer.window
    this.#deps.emit({
      type: 'batch.checkpointed',
      app,
      campaign,
      notificationType: this.#spec.message.type,
      settled: answer.settled,
      responses: proposal.report.responses,
      retries: proposal.report.retries,
      durationsMs: proposal.report.durationsMs,
      checkpointMs: performance.now() - sentAtMs,
    })
    if (proposal.last) return this.#ended(answer)
    this.#recipients.grant(answer.replicated ? proposal.credit : this.#recipients.credited, answer.adjusted)
    if (!answer.replicated) this.#rest('no-replica', NO_REPLICA_MS)
    if (answer.adjusted.some(({ byte }) => codeOf(byte) === code.rotated))
      this.#retryDelayMs = Math.max(this.#retryDelayMs, 1000)
    if (answer.state === 'paused') this.#halt('paused')
    else if (answer.state !== 'sending') this.#halt('final')
    this.#pump()
  }

  /**
   * Whoever owns the batch now need not find out what we know: told at once, and again when every post has its answer or
   * has taken too long for it.
   */
  #mergeOutcomes(): void {
    if (this.#merging || this.#done || this.#forgottenAtMs === undefined) return
    const isLast = this.#inFlight === 0 || performance.now() - this.#forgottenAtMs > LAST_ANSWERS_MS
    if (!isLast && this.#hasMerged) return
    this.#merging = true
    this.#hasMerged = true
    const { app, campaign, seq } = this.#spec.ref
    const recipients = this.#recipients
    recipients.giveBackCredit()
    this.#deps
      .mergeOutcomes(isLast ? recipients.withCredit(recipients.credited) : recipients.withoutCredit())
      .then((answer) => {
        this.#merging = false
        const settled = answer.kind === 'ok' ? answer.settled : []
        const notificationType = this.#spec.message.type
        if (isLast || settled.length > 0)
          this.#deps.emit({ type: 'batch.outcomes-merged', app, campaign, seq, notificationType, settled })
        if (isLast) return this.#finish({ kind: 'fenced', forgotten: true })
        this.#mergeOutcomes()
      })
      .catch((error: unknown) => this.#fail(error))
  }

  #ended(answer: CheckpointAnswer & { readonly kind: 'ok' }): void {
    const { live, planCursor } = answer
    if (answer.batchClosed)
      return this.#finish({
        kind: 'closed',
        leavesOthers: isTerminal(answer.state) && answer.state !== 'completed' && !answer.campaignFinished,
        live,
        planCursor,
      })
    this.#finish({ kind: 'parked', delayMs: this.#parkDelayMs(), reason: this.#parkReason(answer), live, planCursor })
  }

  #parkReason(answer: CheckpointAnswer & { readonly kind: 'ok' }): ParkReason {
    if (answer.state === 'paused') return 'paused'
    if (this.#stop !== undefined && this.#stop !== 'fenced' && this.#stop !== 'final') return this.#stop
    return this.#retryReason ?? 'held'
  }

  #redisNowMs(): number {
    return this.#opened.redisNowMs + performance.now() - this.#openedAtMs
  }
}

interface Proposal {
  readonly change: Checkpoint
  /** How far `#credited` goes once the ledger has agreed. */
  readonly credit: number
  readonly last: boolean
  readonly report: OutcomeReport
}

/** The codes of recipients that are rejected without a post. */
const unsent: Readonly<Record<BodyRejection | 'bad-uri', Code>> = {
  'bad-uri': code.rejectedUnexpected,
  'too-large': code.rejectedTooLarge,
  'invalid-content': code.rejectedInvalidContent,
}

/** The host, or the way to it, is in trouble; whatever else WNS answers is about the app or the channel. */
function isHostTrouble(outcome: Outcome): boolean {
  return (
    (outcome.kind === 'not-sent' && !outcome.code.startsWith('invalid-')) ||
    (outcome.kind === 'server-error' && outcome.status === 503)
  )
}

/** After these WNS wants no more raw notifications for the channel until its app has asked again. */
function isAway(outcome: Outcome): boolean {
  return outcome.kind === 'dropped' || (outcome.kind === 'accepted' && outcome.device === 'disconnected')
}
