import { randomBytes } from 'node:crypto'
import { type Action, plainAction } from './action.ts'
import { type Behavior, parseBehavior, replyOf } from './behaviors.ts'
import { MAX_TAG_LENGTH, refuseHeaders } from './checks.ts'
import type { Client, Clients } from './clients.ts'
import { type Clock, httpDate } from './clock.ts'
import type { Devices } from './devices.ts'
import type { FaultSet, RateCap } from './faults.ts'
import type { OfflineCache } from './offline-cache.ts'
import { type Reply, reply } from './reply.ts'
import type { Request } from './request.ts'
import type { Tally } from './tally.ts'
import type { Identity, TokenCheck, Tokens } from './tokens.ts'

const MAX_BYTES = 5000
const DATE_AFTER_MS = 2000
const unknownChannel = reply(404, 'dropped', { description: 'Channel URL unknown' })
const wrongApp = reply(403, 'dropped', { description: 'Channel URL incompatible with caller app' })
const wrongType = reply(403, 'dropped', { description: 'Tile and badge are not supported for this kind of app' })
// Observed without a description.
const unmapped = reply(403, 'dropped')
const invalidToken = unauthorized('Invalid token')
const expiredToken = unauthorized('Token expired')

/** The order of checks; the order of WNS is unknown. The first check with an answer wins. */
export const checkNames = [
  'token',
  'app and channel',
  'channel state',
  'headers',
  'kind of app',
  'size',
  'rate',
  'device',
] as const
type CheckName = (typeof checkNames)[number]

/** A parsed channel address: `<behavior>.<owner>.<id>`. */
interface Address {
  readonly token: string
  readonly behavior: Behavior | undefined
  readonly owner: string
  readonly id: string
}

/** A post while it is checked. */
interface Post {
  readonly request: Request
  readonly address: Address | undefined
  readonly row: number | undefined
  readonly client: Client | undefined
  readonly identity: Identity | undefined
  readonly auth: TokenCheck
  readonly faults: FaultSet
  readonly nowMs: number
}

/** `*.notify.windows.com`. */
export class WnsService {
  readonly #clients: Clients
  readonly #tokens: Tokens
  readonly #tally: Tally
  readonly #offline: OfflineCache
  readonly #devices: Devices
  readonly #clock: Clock
  readonly #always = new Map<number, Reply>()
  readonly #traceBase = randomBytes(4).toString('hex').toUpperCase()
  readonly #vectorBase = randomBytes(16).toString('base64').slice(0, 22)
  #answered = 0

  /** Method and length are checked before, when the request is read. */
  readonly #checks: Readonly<Record<CheckName, (post: Post) => Reply | undefined>> = {
    token: ({ auth }) =>
      auth.problem === undefined ? undefined : auth.token === undefined ? invalidToken : expiredToken,
    'app and channel': (post) =>
      (post.address?.behavior === undefined ? unknownChannel : this.#refuseApp(post)) ?? this.#spoken(post, 'app'),
    'channel state': (post) =>
      post.faults.always === undefined ? this.#spoken(post, 'channel') : this.#alwaysReply(post.faults.always),
    headers: (post) => this.#refuseHeaders(post),
    'kind of app': (post) =>
      post.identity === 'entra' && /tile|badge/.test(post.request.wnsType) ? wrongType : undefined,
    size: ({ request, faults }) => refuseSize(request.body.length, faults.maxPayloadBytes ?? MAX_BYTES),
    rate: (post) => this.#refuseRate(post),
    device: (post) => this.#spoken(post, 'device'),
  }

  constructor(clients: Clients, tokens: Tokens, tally: Tally, offline: OfflineCache, devices: Devices, clock: Clock) {
    this.#clients = clients
    this.#tokens = tokens
    this.#tally = tally
    this.#offline = offline
    this.#devices = devices
    this.#clock = clock
  }

  /** The client of a request, if its bearer token is known. */
  clientOf(request: Request): Client | undefined {
    return this.#tokens.check(request.authorization, this.#clock.nowMs()).token?.client
  }

  answer(request: Request): Action {
    const nowMs = this.#clock.nowMs()
    if (request.method !== 'POST') return plainAction(405, this.#clock.dateLine(nowMs), 'Allow: POST\r\n')

    const auth = this.#tokens.check(request.authorization, nowMs)
    const client = auth.token?.client
    const address = this.#present(readAddress(request.target))
    this.#tally.arrive(client, nowMs)
    const row = address && this.#tally.row(address.token, address.behavior?.name ?? 'none')
    const faults = client?.faults ?? this.#clients.faults
    const post = { request, address, row, client, identity: auth.token?.identity, auth, faults, nowMs }

    const given = this.#judge(post)
    const bare = faults.bare === true
    this.#tally.settle(row, client, given, bare, request, nowMs)
    if (given.accepted && !given.connected && address !== undefined) this.#offline.keep(address.token, request, nowMs)
    const parameter = address?.behavior?.parameter ?? 0
    const slowMs = given.accepted && address?.behavior?.name === 'slow' ? parameter : 0
    return {
      act: given.act,
      text: given.status === 0 ? '' : this.#write(given, faults, request, nowMs),
      delayMs: (faults.latencyMs ?? 0) + slowMs,
      overMs: parameter,
      close: false,
    }
  }

  /** The address with what its device does now. */
  #present(address: Address | undefined): Address | undefined {
    const behavior = address && this.#devices.of(address.token)
    return behavior === undefined || address === undefined ? address : { ...address, behavior }
  }

  #judge(post: Post): Reply {
    for (const name of checkNames) {
      const given = this.#checks[name](post)
      if (given !== undefined) return given
    }
    return unknownChannel
  }

  #spoken(post: Post, stage: Behavior['stage']): Reply | undefined {
    const { address, request } = post
    if (address?.behavior?.stage !== stage || post.row === undefined) return undefined
    return replyOf(address.behavior, {
      id: address.id,
      ordinal: stage === 'device' ? this.#tally.book.reach(post.row) : 0,
      raw: request.wnsType === 'wns/raw',
      cache: request.cachePolicy,
    })
  }

  #refuseApp(post: Post): Reply | undefined {
    if (post.faults.unmapped === true) return unmapped
    if (post.address?.owner === 'any' || post.address?.owner === post.client?.id) return undefined
    this.#tally.wrongApp += 1
    return wrongApp
  }

  #refuseHeaders(post: Post): Reply | undefined {
    const refusal = refuseHeaders(post.request, post.faults.maxTagLength ?? MAX_TAG_LENGTH)
    if (refusal !== undefined) this.#tally.badHeader += 1
    return refusal
  }

  #refuseRate(post: Post): Reply | undefined {
    const cap = post.faults.rateCap
    if (cap === undefined || post.client === undefined) return undefined
    if (post.client.admitted.count(post.nowMs) < cap.perSecond) {
      post.client.admitted.add(post.nowMs)
      return undefined
    }
    return this.#throttled(cap, post.nowMs)
  }

  #throttled(cap: RateCap, nowMs: number): Reply {
    const status = cap.status ?? 406
    if (cap.retryAfter === undefined || cap.retryAfter === null) return reply(status, 'appthrottled')
    // Rounded up: a date has whole seconds, and a past one would request no pause.
    const dateMs = Math.ceil((this.#clock.epochMs + nowMs + DATE_AFTER_MS) / 1000) * 1000
    return reply(status, 'appthrottled', {
      retryAfter: cap.retryAfter === 'date' ? httpDate(dateMs) : String(cap.retryAfter),
    })
  }

  #alwaysReply(status: number): Reply {
    const found = this.#always.get(status)
    if (found !== undefined) return found
    const made = makeAlways(status)
    this.#always.set(status, made)
    return made
  }

  #write(given: Reply, faults: FaultSet, request: Request, nowMs: number): string {
    this.#answered += 1
    const head = faults.emptyChallenge === true ? withoutChallenge(given.head) : given.head
    const vector = `MS-CV: ${request.msCv.trim() === '' ? `${this.#vectorBase}.${this.#answered}` : request.msCv}\r\n`
    const date = this.#clock.dateLine(nowMs)
    if (faults.bare === true) return `${head}${vector}${date}\r\n`
    const number = (this.#answered >>> 0).toString(16).toUpperCase().padStart(8, '0')
    const device =
      request.requestForStatus !== 'true'
        ? ''
        : given.connected
          ? 'X-WNS-DEVICECONNECTIONSTATUS: connected\r\n'
          : 'X-WNS-DEVICECONNECTIONSTATUS: disconnected\r\n'
    return `${head}${wnsHeadUnder(faults, given)}X-WNS-MSG-ID: ${this.#traceBase}${number}\r\n${device}${vector}${date}\r\n`
  }
}

/** Reads `/?token=…` or `/w/?token=…` byte for byte; a re-encoded address is another address. */
function readAddress(target: string): Address | undefined {
  const start = target.startsWith('/?token=') ? 8 : target.startsWith('/w/?token=') ? 10 : -1
  if (start < 0 || start === target.length) return undefined
  const token = target.slice(start)
  const first = token.indexOf('.')
  const second = token.indexOf('.', first + 1)
  if (first <= 0 || second <= first + 1 || second === token.length - 1) {
    return { token, behavior: undefined, owner: '', id: '' }
  }
  return {
    token,
    behavior: parseBehavior(token.slice(0, first)),
    owner: token.slice(first + 1, second),
    id: token.slice(second + 1),
  }
}

function makeAlways(status: number): Reply {
  if (status === 200) return reply(200, 'received')
  if (status === 401) return invalidToken
  if (status === 406 || status === 429) return reply(status, 'appthrottled')
  if (status === 410) return reply(410, 'dropped', { description: 'Channel URL expired' })
  if (status === 503) return reply(503, 'dropped', { retryAfter: '1' })
  return reply(status, 'dropped')
}

function unauthorized(problem: string): Reply {
  return reply(401, 'dropped', { authenticate: `Bearer error="invalid_request",error_description="${problem}"` })
}

function refuseSize(bytes: number, maxBytes: number): Reply | undefined {
  if (bytes <= maxBytes) return undefined
  return reply(413, 'dropped', { description: `The payload is larger than ${maxBytes} bytes` })
}

function withoutChallenge(head: string): string {
  return head.replace(/^WWW-Authenticate:.*$/m, 'WWW-Authenticate:')
}

/** The X-WNS headers of a reply, changed by the faults. */
function wnsHeadUnder(faults: FaultSet, given: Reply): string {
  let text = given.wnsHead
  if (faults.statusHeader === 'X-WNS-STATUS') text = text.replace(/^X-WNS-NOTIFICATIONSTATUS:.*\r\n/m, '')
  if (faults.statusHeader === 'X-WNS-NOTIFICATIONSTATUS') text = text.replace(/^X-WNS-STATUS:.*\r\n/m, '')
  const isThrottled = given.wnsStatus === 'channelthrottled' || given.wnsStatus === 'appthrottled'
  return isThrottled && faults.continueAfter !== undefined
    ? `${text}X-WNS-CONTINUE-AFTER: ${faults.continueAfter}\r\n`
    : text
}
