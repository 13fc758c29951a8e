import type { AppEvent, AppId, ScheduleName, ScheduleRequest } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { redisNowMs } from './redis-clock.ts'
import type { RedisConnection } from './redis.ts'
import { ScheduledApps } from './scheduled-apps.ts'
import { loadScript } from './scripts.ts'

const noteRun = loadScript('schedule-ran')

export interface ScheduleRecord {
  readonly schedule: ScheduleName
  readonly request: ScheduleRequest
  /** Redis time, as all times here. */
  readonly createdAtMs: number
  /** The id of the API key that last put it; absent for one that was put before keys were recorded. */
  readonly createdBy?: string | undefined
  /** The occurrence that last ran. */
  readonly lastRunMs?: number
  /** Occurrences up to here do not run: they ran already, or are older than the schedule in its present form. */
  readonly overUntilMs: number
}

/** A stored schedule that `put` cannot have written. It must not stop the other schedules of the app. */
export interface UnreadableRecord {
  readonly schedule: ScheduleName
  readonly problem: string
}

/** Why an occurrence did not run, as an event of the app. */
export type ScheduleFailure = Pick<
  Extract<AppEvent, { readonly type: 'schedule.refused' | 'schedule.stopped' }>,
  'type' | 'data'
>

export type StoredSchedule = ScheduleRecord | UnreadableRecord

interface Stored {
  readonly request: ScheduleRequest
  readonly createdAtMs: number
  readonly createdBy?: string | undefined
  readonly sinceMs: number
}

/** The leader reads every schedule every few seconds. */
export const MAX_SCHEDULES = 100

/** The schedules of apps. */
export class Schedules {
  readonly #redis: RedisConnection
  readonly #keys: Keys
  readonly #scheduled: ScheduledApps

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
    this.#scheduled = new ScheduledApps(redis, keys)
  }

  /**
   * Create or replace a schedule. With new times, or after a pause, it starts now; otherwise an occurrence that is due
   * already still runs. Throws the Problem `conflict` if the app has 100 others.
   *
   * @param createdBy the id of the API key that puts it, which takes it over
   */
  async put(app: AppId, schedule: ScheduleName, request: ScheduleRequest, createdBy?: string): Promise<ScheduleRecord> {
    const nowMs = await this.redisNowMs()
    const known = await this.#read(app, schedule)
    if (known === null && (await this.list(app)).length >= MAX_SCHEDULES)
      throw new Problem(
        'conflict',
        `an app must have at most ${MAX_SCHEDULES} schedules; delete one of app ${app} first`,
      )
    const isUnchanged =
      known !== null &&
      known.request.cron === request.cron &&
      known.request.timeZone === request.timeZone &&
      known.request.paused !== true
    const stored: Stored = {
      request,
      createdAtMs: known?.createdAtMs ?? nowMs,
      ...(createdBy === undefined ? {} : { createdBy }),
      sinceMs: isUnchanged ? known.sinceMs : nowMs,
    }
    await this.#redis.hset(this.#keys.schedules(app), schedule, JSON.stringify(stored))
    await this.#scheduled.count()
    return recordOf(schedule, stored, await this.#redis.hget(this.#keys.schedules(app), ranField(schedule)))
  }

  async get(app: AppId, schedule: ScheduleName): Promise<StoredSchedule | null> {
    const [text, ran] = await this.#redis.hmget(this.#keys.schedules(app), schedule, ranField(schedule))
    return typeof text === 'string' ? read(schedule, text, ran) : null
  }

  /** The schedules of an app, sorted by name. */
  async list(app: AppId): Promise<StoredSchedule[]> {
    const fields = new Map(Object.entries(await this.#redis.hgetall(this.#keys.schedules(app))))
    return [...fields]
      .filter(([field]) => !field.includes(':'))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([field, text]) => {
        const name = field as ScheduleName
        return read(name, text, fields.get(ranField(name)))
      })
  }

  /** Those of `apps` that have schedules; cheap for many apps. */
  appsWith(apps: readonly AppId[]): Promise<AppId[]> {
    return this.#scheduled.among(apps)
  }

  /** False if there was none. */
  async delete(app: AppId, schedule: ScheduleName): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.schedules(app), schedule, ranField(schedule))) > 0
  }

  /**
   * Note that an occurrence ran. A later one that ran already stays the last.
   *
   * @param failure the event that reports why it did not run; it is added once, in the same step
   */
  async ran(app: AppId, schedule: ScheduleName, occurrenceMs: number, failure?: ScheduleFailure): Promise<void> {
    const event = failure === undefined ? [] : [failure.type, JSON.stringify(failure.data)]
    const keys = [this.#keys.base(app), this.#keys.schedules(app)]
    await noteRun.run(this.#redis, keys, [schedule, ranField(schedule), occurrenceMs, ...event])
  }

  redisNowMs(): Promise<number> {
    return redisNowMs(this.#redis)
  }

  async #read(app: AppId, schedule: ScheduleName): Promise<Stored | null> {
    const text = await this.#redis.hget(this.#keys.schedules(app), schedule)
    // A record that cannot be read is replaced like one that is absent.
    return text === null ? null : (parse(text) ?? null)
  }
}

/** No schedule name contains a colon. */
function ranField(schedule: ScheduleName): string {
  return `${schedule}:ran`
}

function read(schedule: ScheduleName, text: string, ran: string | null | undefined): StoredSchedule {
  const stored = parse(text)
  return stored === undefined
    ? { schedule, problem: 'its stored record cannot be read; put the schedule again or delete it' }
    : recordOf(schedule, stored, ran)
}

/** Undefined for a text that `put` cannot have written. */
function parse(text: string): Stored | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(value) || !isObject(value['request'])) return undefined
  const { createdAtMs, createdBy, sinceMs, request } = value
  const { cron, timeZone, campaign } = request
  const isIntact =
    isInstant(createdAtMs) &&
    isInstant(sinceMs) &&
    (createdBy === undefined || typeof createdBy === 'string') &&
    typeof cron === 'string' &&
    typeof timeZone === 'string' &&
    isObject(campaign) &&
    (isObject(campaign['notification']) || typeof campaign['template'] === 'string') &&
    isObject(campaign['audience'])
  return isIntact ? (value as unknown as Stored) : undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_INSTANT_MS
}

/** The last instant of a Date. */
const MAX_INSTANT_MS = 8.64e15

function recordOf(
  schedule: ScheduleName,
  { request, createdAtMs, createdBy, sinceMs }: Stored,
  ran: string | null | undefined,
): ScheduleRecord {
  const lastRunMs = typeof ran === 'string' && isInstant(Number(ran)) ? Number(ran) : undefined
  return {
    schedule,
    request,
    createdAtMs,
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(lastRunMs === undefined ? {} : { lastRunMs }),
    overUntilMs: Math.max(sinceMs, lastRunMs ?? 0),
  }
}
