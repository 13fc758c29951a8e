import type { AppId, Notification, TemplateName } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { redisNowMs } from './redis-clock.ts'
import type { RedisConnection } from './redis.ts'

export interface TemplateRecord {
  readonly template: TemplateName
  readonly notification: Notification
  /** Redis time. */
  readonly updatedAtMs: number
}

/** A list reads all templates of an app, each of which may have 100 variants. */
export const MAX_TEMPLATES = 200

/** Notifications that apps keep under names. */
export class Templates {
  readonly #redis: RedisConnection
  readonly #keys: Keys

  constructor(redis: RedisConnection, keys: Keys) {
    this.#redis = redis
    this.#keys = keys
  }

  /** Create or replace a template. Throws the Problem `conflict` if the app has 200 others. */
  async put(app: AppId, template: TemplateName, notification: Notification): Promise<TemplateRecord> {
    const key = this.#keys.templates(app)
    const [isKnown, count] = await Promise.all([this.#redis.hexists(key, template), this.#redis.hlen(key)])
    if (isKnown === 0 && count >= MAX_TEMPLATES)
      throw new Problem(
        'conflict',
        `an app must have at most ${MAX_TEMPLATES} templates; delete one of app ${app} first`,
      )
    const stored = { notification, updatedAtMs: await redisNowMs(this.#redis) }
    await this.#redis.hset(key, template, JSON.stringify(stored))
    return { template, ...stored }
  }

  async get(app: AppId, template: TemplateName): Promise<TemplateRecord | null> {
    const text = await this.#redis.hget(this.#keys.templates(app), template)
    return text === null ? null : read(template, text)
  }

  /** The templates of an app, by name. */
  async list(app: AppId): Promise<TemplateRecord[]> {
    const fields = Object.entries(await this.#redis.hgetall(this.#keys.templates(app)))
    return fields.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => read(name as TemplateName, text))
  }

  /** False if there was none. */
  async delete(app: AppId, template: TemplateName): Promise<boolean> {
    return (await this.#redis.hdel(this.#keys.templates(app), template)) === 1
  }
}

function read(template: TemplateName, text: string): TemplateRecord {
  return { template, ...(JSON.parse(text) as Omit<TemplateRecord, 'template'>) }
}
