import { setTimeout as sleep } from 'node:timers/promises'
import type { AppEvent, AppEventPage, AppEventType } from '@wns-fanout/domain'
import type { Http } from './http.ts'

export interface AppEventOptions {
  /** A `cursor` of an earlier page, or `latest`. */
  readonly after?: string | undefined
  /** Default all. */
  readonly type?: readonly AppEventType[] | undefined
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined
}

const PAGE_SIZE = 500
const POLL_MS = 2000

/** The calls for the events of apps. */
export function appEventCalls(http: Http) {
  const appEvents = (app: string, { after, type, limit, signal }: AppEventOptions & { readonly limit?: number } = {}) =>
    http.json<AppEventPage>({
      method: 'GET',
      path: `/apps/${encodeURIComponent(app)}/events`,
      query: { after, limit, type: type?.join(',') },
      signal,
    })
  return {
    /** What happened to an app behind `after`, oldest first. Keep `cursor` for the next call. */
    appEvents,
    /** The events behind `after`, by default from now on, as they happen. Ends only by `signal` or an error. */
    followAppEvents: async function* (
      app: string,
      { after = 'latest', pollMs = POLL_MS, ...options }: AppEventOptions & { readonly pollMs?: number } = {},
    ): AsyncGenerator<AppEvent> {
      let cursor = after
      for (;;) {
        const page = await appEvents(app, { ...options, after: cursor, limit: PAGE_SIZE })
        yield* page.items
        cursor = page.cursor
        if (!page.more) await sleep(pollMs, undefined, options.signal === undefined ? {} : { signal: options.signal })
      }
    },
  }
}
