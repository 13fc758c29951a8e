import { behaviorNames, type BehaviorName } from './behaviors.ts'
import type { Client, Clients } from './clients.ts'
import { ChannelBook } from './channel-book.ts'
import type { Clock } from './clock.ts'
import type { Reply, WnsStatus } from './reply.ts'
import type { Request } from './request.ts'
import { SlidingSecond } from './sliding-second.ts'

const wnsStatuses: readonly (WnsStatus | null)[] = [
  null,
  'received',
  'dropped',
  'channelthrottled',
  'appthrottled',
  'revoked',
]

interface BehaviorCount {
  posts: number
  channels: number
}

/** All counts of the simulator, which `/v1/stats` and `/v1/posts` show and `/v1/reset` clears. */
export class Tally {
  readonly book = new ChannelBook()
  readonly #clients: Clients
  readonly #clock: Clock
  readonly #outcomes: string[] = []
  readonly #outcomeNumbers = new Map<string, number>()
  posts = 0
  tokenRequests = 0
  duplicates = 0
  pipelined = 0
  chunked = 0
  wrongApp = 0
  badHeader = 0
  badRequest = 0
  wrongLength = 0
  http2Attempts = 0
  connections = 0
  refusedConnections = 0
  #acceptedChannels = 0
  #acceptedPosts = 0
  #byStatus = new Map<number, number>()
  #byWnsStatus = new Map<string, number>()
  #byBehavior = noBehaviors()
  #channels: number[] = []
  #arrived = new SlidingSecond()
  #cpuSinceReset = process.cpuUsage()

  constructor(clients: Clients, clock: Clock) {
    this.#clients = clients
    this.#clock = clock
  }

  /** Counts an arrived post, whatever its answer. */
  arrive(client: Client | undefined, nowMs: number): void {
    this.posts += 1
    this.#arrived.add(nowMs)
    if (client === undefined) return
    client.posts += 1
    client.arrived.add(nowMs)
  }

  /** The row of a channel in the book; a new channel is counted under its behavior. */
  row(token: string, behavior: BehaviorName | 'none'): number {
    const before = this.book.size
    const row = this.book.row(token)
    const count = this.#byBehavior.get(behavior)!
    count.posts += 1
    if (this.book.size > before) count.channels += 1
    return row
  }

  /** Counts the decision about a post when it is made, even if the client disconnects before the answer. */
  settle(
    row: number | undefined,
    client: Client | undefined,
    given: Reply,
    bare: boolean,
    request: Request,
    nowMs: number,
  ): void {
    const wnsStatus = bare ? null : given.wnsStatus
    if (given.status !== 0) this.#byStatus.set(given.status, (this.#byStatus.get(given.status) ?? 0) + 1)
    if (wnsStatus !== null) this.#byWnsStatus.set(wnsStatus, (this.#byWnsStatus.get(wnsStatus) ?? 0) + 1)
    if (row === undefined) return
    const outcome = this.#outcomeNumber(given.outcome)
    const before = this.book.lastOutcome(row)
    if (before !== undefined) this.#channels[before] = (this.#channels[before] ?? 0) - 1
    this.#channels[outcome] = (this.#channels[outcome] ?? 0) + 1
    if (given.accepted) {
      this.#acceptedPosts += 1
      if (this.book.acceptedPosts(row) === 0) this.#acceptedChannels += 1
    }
    const entry = {
      status: given.status,
      wnsStatus: wnsStatuses.indexOf(wnsStatus),
      outcome,
      client: client?.index ?? -1,
      accepted: given.accepted,
      unanswered: given.act !== 'answer' && given.act !== 'drip',
    }
    if (this.book.note(row, entry, request.body, nowMs)) this.duplicates += 1
  }

  /** The document of `GET /v1/stats`. */
  stats(): Record<string, unknown> {
    const perClient = this.#clients
      .all()
      .filter((client) => client.posts > 0 || client.tokenRequests > 0)
      .map((client) => {
        const { posts, tokenRequests, arrived } = client
        return [client.id, { posts, tokenRequests, peakPerSecond: arrived.peak }] as const
      })
    const { user, system } = process.cpuUsage(this.#cpuSinceReset)
    return {
      posts: this.posts,
      byStatus: Object.fromEntries(this.#byStatus),
      byWnsStatus: Object.fromEntries(this.#byWnsStatus),
      tokenRequests: this.tokenRequests,
      perClient: Object.fromEntries(perClient),
      duplicates: this.duplicates,
      peakPerSecond: this.#arrived.peak,
      pipelined: this.pipelined,
      chunked: this.chunked,
      wrongApp: this.wrongApp,
      badHeader: this.badHeader,
      http2Attempts: this.http2Attempts,
      acceptedPosts: this.#acceptedPosts,
      distinctChannels: this.book.size,
      acceptedChannels: this.#acceptedChannels,
      channels: this.#lastAnswers(),
      byBehavior: Object.fromEntries([...this.#byBehavior].filter(([, count]) => count.posts > 0)),
      wrongLength: this.wrongLength,
      badRequest: this.badRequest,
      connections: this.connections,
      refusedConnections: this.refusedConnections,
      cpuMsPerThousandPosts: this.posts === 0 ? null : Math.round(((user + system) / this.posts) * 100) / 100,
    }
  }

  /** One line of `GET /v1/posts`, without its line end. */
  line(row: number): string {
    const found = this.book.read(row)
    return JSON.stringify({
      client: this.#clients.at(found.client)?.id ?? null,
      token: found.token,
      posts: found.posts,
      accepted: found.acceptedPosts,
      unanswered: found.unansweredPosts,
      lastStatus: found.status === 0 ? null : found.status,
      lastWnsStatus: wnsStatuses[found.wnsStatus] ?? null,
      lastOutcome: this.#outcomes[found.outcome],
      firstAtMs: Math.round(this.#clock.epochMs + found.firstAtMs),
      lastAtMs: Math.round(this.#clock.epochMs + found.lastAtMs),
      minAcceptedGapMs: found.minAcceptedGapMs ?? null,
    })
  }

  reset(): void {
    this.book.clear()
    this.posts = 0
    this.tokenRequests = 0
    this.duplicates = 0
    this.pipelined = 0
    this.chunked = 0
    this.wrongApp = 0
    this.badHeader = 0
    this.badRequest = 0
    this.wrongLength = 0
    this.http2Attempts = 0
    this.connections = 0
    this.refusedConnections = 0
    this.#acceptedChannels = 0
    this.#acceptedPosts = 0
    this.#byStatus.clear()
    this.#byWnsStatus.clear()
    this.#byBehavior = noBehaviors()
    this.#channels = []
    this.#arrived = new SlidingSecond()
    this.#cpuSinceReset = process.cpuUsage()
    this.#clients.forgetCounters()
  }

  #lastAnswers(): Record<string, number> {
    const pairs = this.#outcomes.map((name, number) => [name, this.#channels[number] ?? 0] as const)
    return Object.fromEntries(pairs.filter(([, count]) => count > 0))
  }

  #outcomeNumber(name: string): number {
    const found = this.#outcomeNumbers.get(name)
    if (found !== undefined) return found
    this.#outcomeNumbers.set(name, this.#outcomes.length)
    return this.#outcomes.push(name) - 1
  }
}

function noBehaviors(): Map<BehaviorName | 'none', BehaviorCount> {
  return new Map([...behaviorNames, 'none' as const].map((name) => [name, { posts: 0, channels: 0 }]))
}
