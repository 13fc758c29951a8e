import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { repeat, until } from '@wns-fanout/testing'
import type { TestStack } from '../support/stack.ts'
import { type Site, illSid, registerIll, tile } from './site.ts'

export interface Fault {
  readonly name: string
  /** The alert that must fire. */
  readonly alert: string
  /** The duration that the rule waits, in seconds: its `for`. */
  readonly forSeconds: number
  /** The time after which the product can notice the fault, in seconds; 0 where the next scrape shows it. */
  readonly noticedSeconds: number
  /** Alerts that may fire beside it, since they have the same cause. */
  readonly others: readonly string[]
  /** Induces the fault; the answer repairs it. */
  induce(site: Site): Promise<() => Promise<void>>
}

/** The alert is about more than ten batches, so each worker must own more. */
const APPS_WITH_A_BATCH = 40

async function openBatches(stack: TestStack): Promise<void> {
  const ids: string[] = []
  for (let n = 1; n <= APPS_WITH_A_BATCH; n += 1) {
    await registerIll(stack, `app-${n}`, illSid, repeat(2500), 8)
    ids.push((await stack.api.createCampaign(`app-${n}`, tile)).id)
  }
  for (const id of ids)
    await until(`campaign ${id} to send`, async () => (await stack.api.campaign(id)).totals.accepted > 0, 120_000)
}

/** Longer than the alert may take. */
const REDIS_AWAY_SECONDS = 134

export const faults: readonly Fault[] = [
  {
    name: 'Redis killed for 134 s',
    alert: 'WnsFanoutRedisAway',
    forSeconds: 60,
    noticedSeconds: 0,
    others: ['WnsFanoutTakeovers', 'WnsFanoutReconciled', 'WnsFanoutFenced', 'WnsFanoutRedisRollback'],
    async induce({ redis }) {
      const killedAtMs = Date.now()
      await redis.kill()
      return async () => {
        await wait(Math.max(0, killedAtMs + REDIS_AWAY_SECONDS * 1000 - Date.now()))
        await redis.start()
      }
    },
  },
  {
    name: 'Redis at maxmemory',
    alert: 'WnsFanoutRedisRefuses',
    forSeconds: 60,
    noticedSeconds: 0,
    others: ['WnsFanoutRedisMemory', 'WnsFanoutRedisMemoryCritical', 'WnsFanoutTakeovers', 'WnsFanoutFenced'],
    async induce({ stack }) {
      const limit = async (value: string): Promise<void> => {
        const connection = new Redis(stack.redisUrl)
        await connection.config('SET', 'maxmemory', value)
        await connection.quit()
      }
      await limit('1mb')
      return async () => await limit('0')
    },
  },
  {
    name: 'all workers stopped',
    alert: 'WnsFanoutNoWorkers',
    forSeconds: 300,
    noticedSeconds: 0,
    others: ['WnsFanoutAppServedByNobody', 'WnsFanoutWorkersMissing', 'WnsFanoutNothingSent'],
    async induce(site) {
      await Promise.all(site.workers.map((worker) => worker.stop()))
      return async () => {
        await site.addWorker()
      }
    },
  },
  {
    name: 'a worker frozen for 100 s',
    alert: 'WnsFanoutTakeovers',
    forSeconds: 0,
    // The lock time, two checks for stalled jobs a quarter of it apart, and the opening of more than ten batches. The
    // connection of a frozen process stays open, so its death is not noticed earlier.
    noticedSeconds: 105,
    others: ['WnsFanoutInDoubt', 'WnsFanoutFenced', 'WnsFanoutWorkersMissing', 'WnsFanoutEventLoopLag'],
    async induce({ stack, workers }) {
      await openBatches(stack)
      const pid = workers[0]?.pid ?? 0
      process.kill(pid, 'SIGSTOP')
      return async () => {
        process.kill(pid, 'SIGCONT')
        // Takeovers of the last quarter of an hour keep the alert firing.
      }
    },
  },
  {
    name: 'token refused',
    alert: 'WnsFanoutBreakerOpen',
    forSeconds: 120,
    noticedSeconds: 5,
    others: ['WnsFanoutTokenRequestsFail'],
    async induce({ stack }) {
      const refused = { clients: { [illSid]: { token: { mode: 'refuse', refusal: 'secret' } } } }
      await stack.control('PUT', '/v1/faults', refused)
      await registerIll(stack, 'ill', illSid, repeat(2000))
      await stack.api.createCampaign('ill', tile)
      return async () => {
        await stack.control('PUT', '/v1/faults', {})
      }
    },
  },
  {
    name: 'a campaign that halts itself (413)',
    alert: 'WnsFanoutCampaignHalted',
    forSeconds: 0,
    // 500 answers at 60 per second.
    noticedSeconds: 20,
    others: ['WnsFanoutManyRejected'],
    async induce({ stack }) {
      await stack.control('PUT', '/v1/faults', { clients: { [illSid]: { maxPayloadBytes: 10 } } })
      await registerIll(stack, 'ill', illSid, repeat(5000))
      const { id } = await stack.api.createCampaign('ill', tile)
      return async () => {
        await stack.api.cancelCampaign(id)
      }
    },
  },
  {
    name: '503 for one app',
    alert: 'WnsFanoutWnsErrors',
    forSeconds: 300,
    noticedSeconds: 15,
    others: ['WnsFanoutSendSlow'],
    async induce({ stack }) {
      await stack.control('PUT', '/v1/faults', { clients: { [illSid]: { always: 503 } } })
      await registerIll(stack, 'ill', illSid, repeat(5000))
      await stack.api.createCampaign('ill', tile)
      return async () => {
        await stack.control('PUT', '/v1/faults', {})
      }
    },
  },
]
