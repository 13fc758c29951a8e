import type { AppId, ScheduleName, ScheduleRequest } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { redisNowMs } from './redis-clock.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const noteRun = loadScript('schedule-ran')

export interface ScheduleRecord {
  readonly schedule: ScheduleName
  readonly request: ScheduleRequest
  /** Redis time, as all times here. */
  readonly createdAtMs: number
  /** The occurrence that was last run. */
  readonly lastRunMs?: number
  /** Occurrences up to here are over: they were run, or came before the schedule was as it is. */
  readonly overUntilMs: number
}

interface Stored {
  readonly request: ScheduleRequest
  readonly createdAtMs: number
  readonly sinceMs: number
}

/** The leader looks at every schedule every few seconds. */
export const MAX_SCHEDULES = 100

/** The schedules of apps. */
export class Schedules {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /**
   * Create or replace a schedule. One with new times, or one that was paused, begins now; otherwise an occurrence that
   * is due already is still run. Throws the Problem `conflict` when the app has 100 others.
   */
  async put(app: AppId, schedule: ScheduleName, request: ScheduleRequest): Promise<ScheduleRecord> {
    const nowMs = await this.redisNowMs()
    const known = await this.#read(app, schedule)
    if (known === null && (await this.list(app)).length >= MAX_SCHEDULES)
      throw new Problem('conflict', `app ${app} has ${MAX_SCHEDULES} schedules, which is the most; delete one first`)
    const goesOn =
      known !== null &&
      known.request.cron === request.cron &&
      known.request.timeZone === request.timeZone &&
      known.request.paused !== true
    const stored: Stored = {
      request,
      createdAtMs: known?.createdAtMs ?? nowMs,
      sinceMs: goesOn ? known.sinceMs : nowMs,
    }
    await this.#redis.hset(this.#keys.schedules(app), schedule, JSON.stringify(stored))
    return recordOf(schedule, stored, await this.#redis.hget(this.#keys.schedules(app), ranField(schedule)))
  }

  async get(app: AppId, schedule: ScheduleName): Promise<ScheduleRecord | null> {
    const stored = await this.#read(app, schedule)
    if (stored === null) return null
    return recordOf(schedule, stored, await this.#redis.hget(this.#keys.schedules(app), ranField(schedule)))
  }

  /** The schedules of an app, by name. */
  async list(app: AppId): Promise<ScheduleRecord[]> {
    const fields = new Map(Object.entries(await this.#redis.hgetall(this.#keys.schedules(app))))
    return [...fields]
      .filter(([field]) => !field.includes(':'))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, text]) => {
        const name = field as ScheduleName
        return recordOf(name, JSON.parse(text) as Stored, fields.get(ranField(name)))
      })
  }

  /** False when there was none. */
  async delete(app: AppId, schedule: ScheduleName): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.schedules(app), schedule, ranField(schedule))) > 0
  }

  /** An occurrence was run. A later one that was run already stays the last. */
  async ran(app: AppId, schedule: ScheduleName, occurrenceMs: number): Promise<void> {
    await noteRun.run(this.#redis, [this.#keys.schedules(app)], [schedule, ranField(schedule), occurrenceMs])
  }

  redisNowMs(): Promise<number> {
    return redisNowMs(this.#redis)
  }

  async #read(app: AppId, schedule: ScheduleName): Promise<Stored | null> {
    const text = await this.#redis.hget(this.#keys.schedules(app), schedule)
    return text === null ? null : (JSON.parse(text) as Stored)
  }
}

/** No name holds a colon. */
function ranField(schedule: ScheduleName): string {
  return `${schedule}:ran`
}

function recordOf(
  schedule: ScheduleName,
  { request, createdAtMs, sinceMs }: Stored,
  ran: string | null | undefined,
): ScheduleRecord {
  const lastRunMs = typeof ran === 'string' ? Number(ran) : undefined
  return {
    schedule,
    request,
    createdAtMs,
    ...(lastRunMs === undefined ? {} : { lastRunMs }),
    overUntilMs: Math.max(sinceMs, lastRunMs ?? 0),
  }
}
