import type { ServerResponse } from 'node:http'
import type { Campaign, CampaignRef } from '@wns-fanout/domain'
import { isFinished, isTerminal } from '@wns-fanout/domain'
import type { Logger } from '@wns-fanout/runtime'

export interface WatchOptions {
  readonly read: (campaign: CampaignRef) => Promise<Campaign | null>
  readonly logger: Logger
  /** How often a watched campaign is read, in milliseconds. A change of state is sent with the next read. */
  readonly pollMs?: number
  /** Progress without a change of state is sent at most this often, in milliseconds. */
  readonly progressMs?: number
  /** How often a silent connection gets a comment, in milliseconds, so that proxies keep it. */
  readonly heartbeatMs?: number
  /** How long a finished campaign may still drain before its streams end. */
  readonly drainMs?: number
}

interface Watch {
  readonly ref: CampaignRef
  readonly clients: Set<ServerResponse>
  last: Campaign
  lastText: string
  sentAtMs: number
  terminalSinceMs: number | null
  timer: NodeJS.Timeout | null
}

// A reader this far behind skips snapshots. The last one is always sent.
const MAX_UNREAD_BYTES = 256 * 1024

/**
 * Streams of progress. A campaign is read once per poll, for all its clients. A stream ends after the
 * campaign has ended and nothing of it is pending any more, at the latest `drainMs` after the end.
 */
export class ProgressStreams {
  readonly #read: WatchOptions['read']
  readonly #logger: Logger
  readonly #pollMs: number
  readonly #progressMs: number
  readonly #drainMs: number
  readonly #watches = new Map<string, Watch>()
  readonly #heartbeat: NodeJS.Timeout
  #stopped = false

  constructor({ read, logger, pollMs = 500, progressMs = 1000, heartbeatMs = 15_000, drainMs = 10_000 }: WatchOptions) {
    this.#read = read
    this.#logger = logger
    this.#pollMs = pollMs
    this.#progressMs = progressMs
    this.#drainMs = drainMs
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    this.#heartbeat.unref()
  }

  get clients(): number {
    let sum = 0
    for (const { clients } of this.#watches.values()) sum += clients.size
    return sum
  }

  /** Writes the head and every progress of `campaign` to `response`, beginning with `now`, and ends it. */
  add(ref: CampaignRef, now: Campaign, response: ServerResponse, headers: Readonly<Record<string, string>>): void {
    const { campaign } = ref
    response.writeHead(200, {
      ...headers,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    })
    response.write('retry: 1000\n\n')
    response.write(eventOf(JSON.stringify(now)))
    if (this.#stopped || isFinished(now)) {
      response.end()
      return
    }
    const watch = this.#watches.get(campaign) ?? this.#begin(ref, now)
    watch.clients.add(response)
    response.on('close', () => this.#remove(campaign, response))
    response.on('error', () => this.#remove(campaign, response))
  }

  /** Ends every stream; clients connect again, to another replica. */
  stop(): void {
    this.#stopped = true
    clearInterval(this.#heartbeat)
    for (const [campaign, watch] of this.#watches) this.#endAll(campaign, watch)
  }

  #begin(ref: CampaignRef, now: Campaign): Watch {
    const watch: Watch = {
      ref,
      clients: new Set(),
      last: now,
      lastText: JSON.stringify(now),
      sentAtMs: performance.now(),
      terminalSinceMs: null,
      timer: null,
    }
    this.#watches.set(ref.campaign, watch)
    this.#schedule(ref.campaign, watch)
    return watch
  }

  #schedule(campaign: string, watch: Watch): void {
    watch.timer = setTimeout(() => {
      void this.#poll(campaign, watch)
    }, this.#pollMs)
  }

  // Never rejects: while Redis is away the streams stay open and silent but for heartbeats.
  async #poll(campaign: string, watch: Watch): Promise<void> {
    try {
      const now = await this.#read(watch.ref)
      if (this.#watches.get(campaign) !== watch) return
      if (now === null) return this.#endAll(campaign, watch)
      this.#send(watch, now)
      if (isTerminal(now.state)) watch.terminalSinceMs ??= performance.now()
      const drainedMs = watch.terminalSinceMs === null ? 0 : performance.now() - watch.terminalSinceMs
      if (isFinished(now) || drainedMs > this.#drainMs) return this.#endAll(campaign, watch, now)
    } catch (error) {
      this.#logger.warn({ campaign, err: error }, 'cannot read the progress of a watched campaign')
    }
    if (this.#watches.get(campaign) === watch) this.#schedule(campaign, watch)
  }

  #send(watch: Watch, now: Campaign): void {
    const text = JSON.stringify(now)
    const changedState = watch.last.state !== now.state
    const isDue = performance.now() - watch.sentAtMs >= this.#progressMs
    if (text === watch.lastText || (!changedState && !isDue && !isFinished(now))) return
    watch.last = now
    watch.lastText = text
    watch.sentAtMs = performance.now()
    for (const client of watch.clients)
      if (client.writableLength < MAX_UNREAD_BYTES || isTerminal(now.state)) client.write(eventOf(text))
  }

  #beat(): void {
    for (const { clients } of this.#watches.values())
      for (const client of clients) if (client.writableLength < MAX_UNREAD_BYTES) client.write(': still here\n\n')
  }

  #remove(campaign: string, response: ServerResponse): void {
    const watch = this.#watches.get(campaign)
    if (watch === undefined || !watch.clients.delete(response) || watch.clients.size > 0) return
    this.#forget(campaign, watch)
  }

  #endAll(campaign: string, watch: Watch, now?: Campaign): void {
    this.#forget(campaign, watch)
    const text = now === undefined ? '' : JSON.stringify(now)
    for (const client of watch.clients) {
      if (text !== '' && text !== watch.lastText) client.write(eventOf(text))
      client.end()
    }
    watch.clients.clear()
  }

  #forget(campaign: string, watch: Watch): void {
    if (watch.timer !== null) clearTimeout(watch.timer)
    this.#watches.delete(campaign)
  }
}

function eventOf(json: string): string {
  return `event: progress\ndata: ${json}\n\n`
}
