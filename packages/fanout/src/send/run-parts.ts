import type { FanoutEvent } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import { OutcomeMerge } from '../recover/outcome-merge.ts'
import { Answers } from './answers.ts'
import type { AppBreaker } from './app-breaker.ts'
import type { BatchLedger } from './batch-ledger.ts'
import { Checkpointer } from './checkpointer.ts'
import { HostWaits } from './host-waits.ts'
import { OutcomeBuffer } from './outcome-buffer.ts'
import type { PosterCalls, PosterDeps } from './poster.ts'
import { Poster } from './poster.ts'
import { Recipients } from './recipients.ts'
import { SetAside } from './set-aside.ts'
import { TokenInUse } from './token-in-use.ts'
import type { BatchSpec, TokenSource } from './types.ts'

export interface BatchRunDeps extends PosterDeps {
  readonly emit: (event: FanoutEvent) => void
  readonly breaker: AppBreaker
  readonly token: TokenSource
  readonly ledger: Pick<BatchLedger, 'checkpoint' | 'mergeOutcomes' | 'leave'>
  /** Redis has forgotten a write: other batches of the process may be affected too. */
  readonly onRollback: () => void
  /** Milliseconds after the last acknowledged checkpoint during which posts may start. */
  readonly leaseMs: number
  /** False while other workers may take this process for dead: then no post starts. */
  readonly isRegistered: () => boolean
  readonly random: () => number
}

/** The calls that the parts of a run make to it. */
export interface RunCalls extends PosterCalls {
  /** A request for a token has ended. */
  readonly onToken: () => void
  readonly onNoToken: () => void
  /** Redis forgot this run, and its outcomes are merged. */
  readonly onMerged: () => void
  readonly onError: (error: unknown) => void
  readonly redisNowMs: () => number
}

export interface RunParts {
  readonly recipients: Recipients
  readonly poster: Poster
  readonly checkpointer: Checkpointer
  readonly answers: Answers
  readonly hostWaits: HostWaits
  readonly aside: SetAside
  readonly token: TokenInUse
  readonly merge: OutcomeMerge
}

/** Make the parts of a run. They know each other, so they are wired in one place. */
export function createParts(deps: BatchRunDeps, spec: BatchSpec, opened: OpenBatch, calls: RunCalls): RunParts {
  const { breaker, emit, leaseMs } = deps
  const trust = breaker.tokens
  const buffer = new OutcomeBuffer()
  const recipients = new Recipients(opened, spec.terms.maxAttempts, buffer)
  const poster = new Poster(deps, spec, opened, calls)
  const aside = new SetAside(trust, (position) => recipients.posts(position))
  const { onError, redisNowMs } = calls
  return {
    recipients,
    poster,
    aside,
    hostWaits: new HostWaits({ hosts: deps.hosts, recipients, buffer, originOf: (at) => poster.originOf(at) }),
    answers: new Answers({ ...deps, recipients, buffer, poster, aside, redisNowMs }, spec, opened),
    checkpointer: new Checkpointer({
      recipients,
      buffer,
      leaseMs,
      firstWindow: opened.firstWindow,
    }),
    token: new TokenInUse({
      source: deps.token,
      trust,
      onDone: calls.onToken,
      onFailed: (error) => {
        emit({ type: 'token.unavailable', app: spec.ref.app, error })
        calls.onNoToken()
      },
      onError,
    }),
    merge: new OutcomeMerge({
      ledger: deps.ledger,
      recipients,
      inFlight: () => poster.inFlight,
      batch: { ...spec.ref, notificationType: spec.message.type },
      emit,
      onDone: calls.onMerged,
      onError,
    }),
  }
}
