import type { ServerResponse } from 'node:http'

/** How a request uses the API: for an instant, for longer, or as a stream that stays open. */
export type Load = 'light' | 'heavy' | 'stream'

/**
 * Requests that one key may have open in one process. The lights of a busy client take milliseconds each; an upload or
 * an export takes seconds of processing time, which all tenants share.
 */
export const maxOpen: Readonly<Record<Load, number>> = { light: 100, heavy: 8, stream: 20 }
/** Streams of one campaign that one key may have open. */
export const MAX_STREAMS_OF_CAMPAIGN = 5
const CHECK_MS = 1000

interface OpenRequest {
  readonly load: Load
  readonly campaign: string | undefined
  readonly response: ServerResponse
}

/**
 * The requests that are open, by API key. A key cannot have more than its share, and the requests of a key that was
 * revoked or has expired end within two seconds, streams, exports and uploads included.
 */
export class OpenRequests {
  readonly #isUsable: (key: string) => Promise<boolean>
  readonly #open = new Map<string, Set<OpenRequest>>()
  readonly #timer: NodeJS.Timeout

  constructor(isUsable: (key: string) => Promise<boolean>, checkMs = CHECK_MS) {
    this.#isUsable = isUsable
    this.#timer = setInterval(() => void this.#check(), checkMs)
    this.#timer.unref()
  }

  /** Counts a request until its response is closed. Returns why it may not start; undefined when it may. */
  enter(key: string, load: Load, response: ServerResponse, campaign?: string): string | undefined {
    const open = this.#open.get(key) ?? new Set()
    const same = [...open].filter((one) => one.load === load)
    if (same.length >= maxOpen[load])
      return `this API key has ${same.length} ${nameOf[load]} open, the maximum; wait for one to end`
    if (load === 'stream' && same.filter((one) => one.campaign === campaign).length >= MAX_STREAMS_OF_CAMPAIGN)
      return `this API key has ${MAX_STREAMS_OF_CAMPAIGN} streams of this campaign open, the maximum; close one`
    const request = { load, campaign, response }
    this.#open.set(key, open.add(request))
    response.once('close', () => {
      open.delete(request)
      if (open.size === 0 && this.#open.get(key) === open) this.#open.delete(key)
    })
    return undefined
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  // A failure of Redis ends no request; the next look sees a revoked key.
  async #check(): Promise<void> {
    await Promise.all(
      [...this.#open].map(async ([key, open]) => {
        if (await this.#isUsable(key).catch(() => true)) return
        // Not an orderly end: a part of an export must not look like the whole.
        for (const { response } of open) response.destroy()
      }),
    )
  }
}

const nameOf: Readonly<Record<Load, string>> = {
  light: 'requests',
  heavy: 'uploads, exports and other long requests',
  stream: 'progress streams',
}
