import type { AppId, CampaignId, CampaignState, FanoutEvent, Outcome, PreparedMessage } from '@wns-fanout/domain'
import { byteOf, code, codeOf, isSettled, prepareMessage } from '@wns-fanout/domain'
import type { BatchTerms, Checkpoint, CheckpointAnswer, MergeAnswer, OpenBatch } from '@wns-fanout/state'
import { vi } from 'vitest'
import { AppBreaker } from '../../src/send/app-breaker.ts'
import type { OwnerAnswer } from '../../src/send/batch-ledger.ts'
import { BatchRun } from '../../src/send/batch-run.ts'
import { HostBreakers } from '../../src/send/host-breakers.ts'
import type { Permit } from '../../src/send/local-permits.ts'
import type { LeftOutcomes } from '../../src/recover/rollback.ts'
import type { BatchEnd } from '../../src/send/types.ts'

export const app = 'news' as AppId
const trace = {}
export const accepted: Outcome = { kind: 'accepted', status: 200, trace }
export const unauthorized: Outcome = { kind: 'unauthorized', status: 401, trace }
export const forbidden: Outcome = { kind: 'forbidden', status: 403, trace }
export const serverError: Outcome = { kind: 'server-error', status: 500, trace }
export const throttled: Outcome = { kind: 'app-throttled', status: 429, trace }

const REDIS_NOW_MS = 1_800_000_000_000

export interface OneBatchOptions {
  readonly recipients?: number
  /** Bytes of the vector before the open. Default: all pending. */
  readonly before?: readonly number[]
  /** Recipients with credit from the open. Default: the window. */
  readonly credited?: number
  readonly uris?: readonly string[]
  readonly variables?: readonly string[]
  readonly message?: PreparedMessage
  readonly keepRawGates?: boolean
  readonly terms?: Partial<BatchTerms>
  readonly opened?: Partial<OpenBatch>
  readonly paceRatePerSecond?: number
  readonly isProbe?: boolean
  readonly anotherSuspectOpen?: boolean
  /** Answer of WNS to the nth post (from 1) of a recipient; undefined leaves the post under way. Default: accepted. */
  readonly answer?: (position: number, nth: number, token: string) => Outcome | undefined
  readonly leaseMs?: number
}

interface Post {
  readonly position: number
  readonly token: string
  readonly path: string
}

/**
 * A run of one batch against a ledger in memory: it takes every checkpoint, grants the credit that the run asks for and
 * closes or parks the batch. Lanes, permits and tokens are at hand unless a test takes them away.
 */
export class OneBatch {
  readonly events: FanoutEvent[] = []
  readonly checkpoints: Checkpoint[] = []
  readonly posts: Post[] = []
  readonly merged: Uint8Array[] = []
  readonly slowDowns: number[] = []
  readonly answeredPermits: number[] = []
  readonly breaker: AppBreaker
  readonly hosts = new HostBreakers()
  readonly run: BatchRun
  readonly stored: { opened: string[]; cleared: number } = { opened: [], cleared: 0 }
  rollbacks = 0
  /** The state that the ledger answers with. */
  state: CampaignState = 'sending'
  /** Fields of the next answers to checkpoints; a function decides for each. */
  answerWith: (change: Checkpoint) => Partial<CheckpointAnswer & { kind: 'ok' }> | OwnerAnswer = () => ({})
  /** What the run left when it ended by an error. */
  left: LeftOutcomes | undefined
  mergeWith: () => Promise<MergeAnswer> = () => Promise.resolve({ kind: 'ok', settled: [] })
  /** Posts that may be under way. */
  lanes = Infinity
  permits = Infinity
  permitLifeMs = 250
  /** Whether the process is in the register of workers. */
  registered = true
  pausedUntilMs = 0
  token: string | undefined = 'token-1'
  renewals = 0
  /** Milliseconds that `renew` answers with; the token stays when it is `kept`. */
  renewal: { readonly waitMs: number; readonly isKept?: boolean } | Error = { waitMs: 60_000 }
  fetchError: Error | undefined
  readonly #options: OneBatchOptions
  readonly #stopping = new AbortController()
  readonly #done: { call?: (position: number, outcome: Outcome, durationMs: number) => void; free?: () => void } = {}
  readonly #listeners = new Set<() => void>()
  readonly #count: number
  #underWay = 0

  constructor(options: OneBatchOptions = {}) {
    this.#options = options
    const count = options.recipients ?? options.before?.length ?? 4
    this.#count = count
    this.breaker = new AppBreaker(
      app,
      {
        setBreaker: async (_app, { kind }) => this.stored.opened.push(kind) > 0,
        clearBreaker: async () => (this.stored.cleared += 1) > 0,
        mayProbe: async () => true,
      },
      (error) => {
        throw error
      },
    )
    const terms: BatchTerms = {
      window: 256,
      delivery: 'at-least-once',
      type: 'badge',
      guardSeconds: 0,
      maxAttempts: 5,
      wantsVariables: false,
      wantsLocales: false,
      ...options.terms,
    }
    this.run = new BatchRun(
      {
        lanes: { join: (_group, listener) => this.#join(listener) },
        hosts: this.hosts,
        breaker: this.breaker,
        permits: this.#permitSource(),
        token: {
          current: () => this.token,
          fetch: () => this.#fetch(),
          renew: (refused) => this.#renew(refused),
        },
        ledger: {
          checkpoint: (change) => this.#checkpoint(change),
          mergeOutcomes: (vector) => {
            this.merged.push(vector)
            return this.mergeWith()
          },
          leave: (left) => {
            this.left = left
          },
        },
        onRollback: () => (this.rollbacks += 1),
        emit: (event) => this.events.push(event),
        leaseMs: options.leaseMs ?? 45_000,
        isRegistered: () => this.registered,
        random: () => 0.5,
      },
      {
        ref: { app, campaign: 'c1' as CampaignId, seq: 0 },
        terms,
        message: options.message ?? prepareMessage({ type: 'badge', value: 1 }),
        keepRawGates: options.keepRawGates,
        paceRatePerSecond: options.paceRatePerSecond,
        isProbe: options.isProbe,
        anotherSuspectOpen: options.anotherSuspectOpen,
      },
      this.#opened(terms),
    )
  }

  start(): Promise<BatchEnd> {
    return this.run.run(this.#stopping.signal)
  }

  stop(): void {
    this.#stopping.abort()
  }

  /** Posts written to each recipient. */
  get postsByPosition(): number[] {
    const counts = Array.from({ length: this.#count }, () => 0)
    for (const { position } of this.posts) counts[position] = (counts[position] ?? 0) + 1
    return counts
  }

  /** Codes of the last vector that the ledger got. */
  get codes(): number[] {
    return [...(this.checkpoints.at(-1)?.vector ?? [])].map(codeOf)
  }

  /** Answer a post that is under way. */
  answer(position: number, outcome: Outcome): void {
    this.#underWay -= 1
    this.#done.call?.(position, outcome, 1)
  }

  /** Lanes became free. */
  free(): void {
    this.#done.free?.()
  }

  grantPermits(count: number): void {
    this.permits = count
    for (const listener of this.#listeners) listener()
  }

  eventsOf<T extends FanoutEvent['type']>(type: T): (FanoutEvent & { type: T })[] {
    return this.events.filter((event): event is FanoutEvent & { type: T } => event.type === type)
  }

  #opened(terms: BatchTerms): OpenBatch {
    const before = this.#options.before ?? Array.from({ length: this.#count }, () => code.pending)
    let left = this.#options.credited ?? terms.window
    const uris = this.#options.uris ?? before.map((_, at) => `https://db5p.notify.windows.com/?token=${at}`)
    const vector = before.map((byte, at) => {
      if (isSettled(codeOf(byte)) || uris[at] === '' || left <= 0) return byte
      left -= 1
      return byteOf(code.credited, byte >> 5)
    })
    return {
      kind: 'open',
      fence: 1,
      takeover: false,
      redisNowMs: REDIS_NOW_MS,
      expiresAtMs: REDIS_NOW_MS + 86_400_000,
      before: Uint8Array.from(before),
      vector: Uint8Array.from(vector),
      ordinals: Uint32Array.from(before.keys()),
      uris: before.map((byte, at) => (isSettled(codeOf(byte)) ? '' : (uris[at] ?? ''))),
      variables: this.#options.variables ?? [],
      locales: [],
      heldUntilSecond: 0,
      uncertain: 0,
      window: terms.window,
      firstWindow: terms.window,
      replicated: true,
      settled: [],
      ...this.#options.opened,
    }
  }

  #join(listener: { done: (position: number, outcome: Outcome, durationMs: number) => void; onFree: () => void }) {
    this.#done.call = listener.done
    this.#done.free = listener.onFree
    return {
      tryPost: (_origin: string, path: string, headers: string[], _body: Buffer, position: number): boolean => {
        if (this.#underWay >= this.lanes) return false
        this.#underWay += 1
        const bearer = headers[headers.findIndex((name) => name.toLowerCase() === 'authorization') + 1] ?? ''
        const token = bearer.slice('Bearer '.length)
        this.posts.push({ position, token, path })
        const nth = this.posts.filter((post) => post.position === position).length
        const outcome = (this.#options.answer ?? (() => accepted))(position, nth, token)
        if (outcome !== undefined)
          setImmediate(() => {
            // No two answers come at the same instant.
            if (vi.isFakeTimers()) vi.advanceTimersByTime(1)
            this.answer(position, outcome)
          })
        return true
      },
      leave: () => {},
    }
  }

  #permitSource() {
    const batch = this as OneBatch
    return {
      take(): Permit | undefined {
        if (batch.permits <= 0) return undefined
        batch.permits -= 1
        return { grantedAtMs: REDIS_NOW_MS + 7, lapsesAtMs: performance.now() + batch.permitLifeMs }
      },
      onGranted: (listener: () => void) => {
        this.#listeners.add(listener)
        return () => this.#listeners.delete(listener)
      },
      slowDown: (grantedAtMs: number) => void this.slowDowns.push(grantedAtMs),
      answered: (grantedAtMs: number) => void this.answeredPermits.push(grantedAtMs),
      get pausedUntilMs(): number {
        return batch.pausedUntilMs
      },
    }
  }

  async #fetch(): Promise<void> {
    await Promise.resolve()
    if (this.fetchError !== undefined) throw this.fetchError
    this.token ??= 'token-1'
  }

  async #renew(refused: string): Promise<number> {
    await Promise.resolve()
    if (this.renewal instanceof Error) throw this.renewal
    if (this.token === refused && this.renewal.isKept !== true) {
      this.renewals += 1
      this.token = `token-${this.renewals + 1}`
    }
    return this.renewal.waitMs
  }

  async #checkpoint(change: Checkpoint): Promise<OwnerAnswer> {
    this.checkpoints.push(change)
    await Promise.resolve()
    const answer = this.answerWith(change)
    if ('kind' in answer && answer.kind !== undefined && answer.kind !== 'ok') return answer as OwnerAnswer
    return {
      kind: 'ok',
      state: this.state,
      redisNowMs: REDIS_NOW_MS,
      adjusted: [],
      live: 1000,
      active: 1000,
      wakeAt: 0,
      planPosition: -1,
      campaignFinished: false,
      batchClosed: change.end === 'close',
      settled: [],
      window: this.#options.terms?.window ?? 256,
      rolledBack: false,
      replicated: true,
      ...answer,
    }
  }
}
