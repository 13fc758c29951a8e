import type { BodyRejection, ChannelTarget, Outcome } from '@wns-fanout/domain'
import { bodyFor, channelUriSplitter } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import { unpackUri } from '@wns-fanout/state'
import type { LanePool, LaneSender } from '@wns-fanout/wns'
import type { CrashPoints } from '../crash-points.ts'
import type { HostBreakers } from './host-breakers.ts'
import type { Permit, PermitSource } from './local-permits.ts'
import { PostHeaders } from './post-headers.ts'
import { storedVariables } from '../stored-variables.ts'
import type { BatchSpec } from './types.ts'

export interface PosterDeps extends CrashPoints {
  readonly lanes: Pick<LanePool, 'join'>
  readonly hosts: HostBreakers
  readonly permits: PermitSource
}

export interface PosterCalls {
  /** Called by the lanes. It passes the outcome to `answered`. */
  readonly onAnswer: (position: number, outcome: Outcome, durationMs: number) => void
  /** It is worth trying to post again. */
  readonly onFree: () => void
}

/**
 * The result of an attempt to start a post: it `waits` for a permit or a lane; the registry has a URI that must not be
 * posted to; the variables of the recipient make the body invalid; the host of the URI rests.
 */
export type PostStep = 'posted' | 'waits' | 'bad-uri' | BodyRejection | 'host-rests'

/** What the post to a recipient needs, made once however often the post has to wait for a permit or a lane. */
interface Turn {
  readonly position: number
  readonly target: ChannelTarget | null
  readonly body: Buffer | BodyRejection
  /** Undefined until the post has a permit. */
  headers: string[] | undefined
  token: string
}

/** Starts the posts of one opened batch, and keeps the facts of each until its answer. */
export class Poster {
  readonly #deps: PosterDeps
  readonly #spec: BatchSpec
  readonly #opened: OpenBatch
  readonly #lanes: LaneSender
  readonly #headers: PostHeaders
  /** A permit that found no lane: kept until it lapses. */
  #permit: Permit | undefined
  readonly #permittedAtMs: Float64Array
  readonly #postedMs: Float64Array
  readonly #origins: string[]
  readonly #tokens: string[]
  readonly #split = channelUriSplitter()
  #turn: Turn | undefined
  #inFlight = 0

  constructor(deps: PosterDeps, spec: BatchSpec, opened: OpenBatch, { onAnswer, onFree }: PosterCalls) {
    this.#deps = deps
    this.#spec = spec
    this.#opened = opened
    this.#headers = new PostHeaders(spec.message, opened)
    this.#lanes = deps.lanes.join(spec.ref.app, { done: onAnswer, onFree })
    this.#permittedAtMs = new Float64Array(opened.vector.length)
    this.#postedMs = new Float64Array(opened.vector.length)
    this.#origins = Array.from({ length: opened.vector.length }, () => '')
    this.#tokens = [...this.#origins]
  }

  /** Posts under way. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** When the permit of the latest post was granted, in Redis time. */
  permittedAtMs(position: number): number {
    return this.#permittedAtMs[position] ?? 0
  }

  /** When the latest post to the recipient started, monotonic. */
  postedMs(position: number): number {
    return this.#postedMs[position] ?? 0
  }

  /** The token of the latest post: a late 401 refuses this one, not the one that is current by then. */
  token(position: number): string {
    return this.#tokens[position] ?? ''
  }

  /** The origin of the URI of a recipient; undefined for a URI that must not be posted to. */
  originOf(position: number): string | undefined {
    return this.#targetOf(position)?.origin
  }

  tryPost(position: number, token: string): PostStep {
    const { hosts, reached } = this.#deps
    const turn = this.#turnOf(position)
    const { target, body } = turn
    if (target === null) return 'bad-uri'
    if (typeof body === 'string') return body
    if (hosts.admit(target.origin) > 0) return 'host-rests'
    const permit = this.#takePermit()
    if (permit === undefined) return this.#notPosted(target.origin)
    const headers = turn.headers !== undefined && turn.token === token ? turn.headers : this.#headers.next(token)
    turn.headers = headers
    turn.token = token
    reached?.('credit-granted')
    this.#origins[position] = target.origin
    this.#tokens[position] = token
    this.#postedMs[position] = performance.now()
    if (!this.#lanes.tryPost(target.origin, target.path, headers, body, position)) return this.#notPosted(target.origin)
    this.#turn = undefined
    this.#permit = undefined
    this.#permittedAtMs[position] = permit.grantedAtMs
    this.#inFlight += 1
    return 'posted'
  }

  /** The post to this recipient has ended. The breaker of the host counts its outcome. */
  answered(position: number, outcome: Outcome): void {
    this.#inFlight -= 1
    this.#deps.hosts.record(this.#origins[position] ?? '', isHostTrouble(outcome))
  }

  /** Use no lane any more. Posts under way still get their answers. */
  leave(): void {
    this.#lanes.leave()
  }

  #turnOf(position: number): Turn {
    if (this.#turn?.position !== position)
      this.#turn = {
        position,
        target: this.#targetOf(position),
        body: this.#body(position),
        headers: undefined,
        token: '',
      }
    return this.#turn
  }

  #targetOf(position: number): ChannelTarget | null {
    return this.#split(unpackUri(this.#opened.uris[position] ?? ''))
  }

  #takePermit(): Permit | undefined {
    if (this.#permit === undefined || performance.now() >= this.#permit.lapsesAtMs)
      this.#permit = this.#deps.permits.take()
    return this.#permit
  }

  #notPosted(origin: string): 'waits' {
    this.#deps.hosts.notPosted(origin)
    return 'waits'
  }

  #body(position: number): Buffer | BodyRejection {
    const { message, terms } = this.#spec
    if (message.body !== null && message.variants.size === 0) return message.body
    const vars = terms.wantsVariables ? storedVariables(this.#opened.variables[position]) : {}
    if (vars === undefined) return 'invalid-content'
    const locale = this.#opened.locales[position]
    const tags = this.#opened.tags?.[position]?.split(',')
    const rendered = bodyFor(message, vars, locale === '' ? undefined : locale, tags)
    return rendered.ok ? rendered.body : rendered.reason
  }
}

/** The host, or the network on the way to it, is in trouble; any other answer concerns the app or the channel. */
function isHostTrouble(outcome: Outcome): boolean {
  return (
    (outcome.kind === 'not-sent' && !outcome.code.startsWith('invalid-')) ||
    (outcome.kind === 'server-error' && outcome.status === 503)
  )
}
