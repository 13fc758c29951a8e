import type { Request } from './request.ts'

/** A notification that waits for an offline device. */
export interface KeptItem {
  readonly type: 'toast' | 'tile' | 'badge' | 'raw'
  readonly bytes: number
  /** undefined when it was sent without a time to live. */
  readonly expiresInMs: number | undefined
}

interface Kept {
  readonly type: KeptItem['type']
  readonly body: Buffer
  readonly expiresAtMs: number
}

const MAX_CHANNELS = 100_000

/**
 * One item per type for each channel whose device is offline. A newer item replaces an older one, and an item is
 * removed when its X-WNS-TTL, counted from its arrival, has passed. Beyond 100,000 channels the oldest are removed.
 */
export class OfflineCache {
  readonly #byToken = new Map<string, Map<KeptItem['type'], Kept>>()

  keep(token: string, request: Request, nowMs: number): void {
    const type = request.wnsType.slice('wns/'.length) as KeptItem['type']
    let items = this.#byToken.get(token)
    if (items === undefined) {
      items = new Map()
      this.#byToken.set(token, items)
      if (this.#byToken.size > MAX_CHANNELS)
        for (const oldest of this.#byToken.keys()) {
          this.#byToken.delete(oldest)
          break
        }
    }
    const expiresAtMs = request.ttl === '' ? Infinity : nowMs + Number(request.ttl) * 1000
    // A copy, because the body is a view of the connection's buffer.
    items.set(type, { type, body: Buffer.from(request.body), expiresAtMs })
  }

  /** The items that wait for the device of this channel now. */
  look(token: string, nowMs: number): KeptItem[] {
    const items = [...(this.#byToken.get(token)?.values() ?? [])]
    return items
      .filter(({ expiresAtMs }) => nowMs < expiresAtMs)
      .map(({ type, body, expiresAtMs }) => ({
        type,
        bytes: body.length,
        expiresInMs: expiresAtMs === Infinity ? undefined : Math.ceil(expiresAtMs - nowMs),
      }))
  }

  /** The device comes online briefly: all waiting items are delivered and removed. */
  deliver(token: string, nowMs: number): (KeptItem & { readonly body: string })[] {
    const bodies = this.#byToken.get(token)
    const delivered = this.look(token, nowMs).map((item) => ({
      ...item,
      body: bodies?.get(item.type)?.body.toString('utf8') ?? '',
    }))
    this.#byToken.delete(token)
    return delivered
  }

  clear(): void {
    this.#byToken.clear()
  }
}
