import type { AppEvent, AppEventPage, AppEventType, AppId } from '@wns-fanout/domain'
import { appEventTypes, DAY_MS } from '@wns-fanout/domain'
import { appsThat } from './apps-that.ts'
import type { Keys } from './keys.ts'
import { unpackId } from './packed-id.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const reportScript = loadScript('events-report')

/** The position before the first event. */
export const FIRST_CURSOR = '0-0'
/** Events are kept this long, at most about 10,000 of each app. */
export const EVENTS_KEPT_MS = 7 * DAY_MS
const DROP_EVERY_MS = 3_600_000
/** Most entries that are read at once. */
const READ_AT_ONCE = 200
/** Entries of other types that one page passes over. */
const MAX_PASSED_OVER = 5000

export interface EventQuery {
  /** A position from an earlier page, or `latest` for the end as it is now. Default: the oldest event that is kept. */
  readonly after?: string | undefined
  readonly limit: number
  /** Default all. */
  readonly types?: ReadonlySet<AppEventType> | undefined
}

/** The events of apps. Scripts add them, each in the step in which the thing happens (`lua/lib/events.lua`). */
export class AppEvents {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  #droppedAtMs = Number.NEGATIVE_INFINITY

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Events behind a position, oldest first. The cursor also moves past events of other types. */
  async read(app: AppId, { after = FIRST_CURSOR, limit, types }: EventQuery): Promise<AppEventPage> {
    if (after === 'latest') return { items: [], cursor: await this.latest(app), more: false, missed: false }
    const items: AppEvent[] = []
    let missed = false
    let cursor = after
    const count = types === undefined ? Math.min(limit + 1, READ_AT_ONCE) : READ_AT_ONCE
    for (let seen = 0; seen < MAX_PASSED_OVER; seen += count) {
      const entries = await this.#redis.xrange(this.#keys.events(app), `(${cursor}`, '+', 'COUNT', count)
      for (const [id, fields] of entries) {
        if (cursor === after) missed = isCutBehind(after, fields)
        const event = eventOf(app, id, fields)
        const isWanted = event !== undefined && (types === undefined || types.has(event.type))
        if (isWanted && items.length === limit) return { items, cursor, more: true, missed }
        if (isWanted) items.push(event)
        cursor = id
      }
      if (entries.length < count) return { items, cursor, more: false, missed }
    }
    return { items, cursor, more: true, missed }
  }

  /** The id of the newest event. */
  async latest(app: AppId): Promise<string> {
    const [newest] = await this.#redis.xrevrange(this.#keys.events(app), '+', '-', 'COUNT', 1)
    return newest?.[0] ?? FIRST_CURSOR
  }

  /** Those of `apps` that `report` has something to do for. Every hour these are all, for their old events. */
  async toReport(apps: readonly AppId[]): Promise<readonly AppId[]> {
    if (performance.now() - this.#droppedAtMs >= DROP_EVERY_MS) {
      this.#droppedAtMs = performance.now()
      return apps
    }
    return appsThat(apps, async (app) => (await this.#redis.exists(this.#keys.removed(app))) > 0)
  }

  /** Report the removed channels that wait for it, and drop old events. The leader calls it every few seconds. */
  async report(app: AppId): Promise<number> {
    const keys = [this.#keys.base(app), this.#keys.events(app)]
    return Number(await reportScript.run(this.#redis, keys, [EVENTS_KEPT_MS]))
  }
}

/**
 * Were events removed that come behind this position? `fields` are those of the first entry behind it. A reader that
 * begins has missed none.
 */
function isCutBehind(after: string, fields: readonly string[]): boolean {
  const before = fields[5]
  return after !== FIRST_CURSOR && before !== undefined && isBehind(before, after)
}

/** Does the event `a` come after the event `b`? */
export function isBehind(a: string, b: string): boolean {
  const [ms = 0, seq = 0] = a.split('-').map(Number)
  const [otherMs = 0, otherSeq = 0] = b.split('-').map(Number)
  return ms === otherMs ? seq > otherSeq : ms > otherMs
}

/** Undefined for an entry that no script can have written. */
function eventOf(app: AppId, id: string, fields: readonly string[]): AppEvent | undefined {
  const [, name, field, value = ''] = fields
  const type = appEventTypes.find((each) => each === name)
  const data = field === 'channels' ? removedChannels(value) : parse(value)
  if (type === undefined || data === undefined) return undefined
  return { id, type, app, timestamp: new Date(Number(id.split('-')[0])).toISOString(), data: data as never }
}

function removedChannels(joined: string) {
  const channels = joined.split('\0').map(unpackId)
  return { count: channels.length, channels }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
