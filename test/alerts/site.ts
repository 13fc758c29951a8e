import { join } from 'node:path'
import type { CampaignRequest } from '@wns-fanout/domain'
import { freePort, temporaryFolder } from '@wns-fanout/local'
import { repeat, until } from '@wns-fanout/testing'
import { ChaosRedis } from '../chaos/redis-server.ts'
import { root } from '../repo/files.ts'
import { registerApp } from '../support/apps.ts'
import { type Prometheus, startPrometheus } from '../support/prometheus.ts'
import { type StackWorker, type TestStack, startTestStack } from '../support/stack.ts'

/** As in infra/prometheus/prometheus.yaml. */
export const SCRAPE_SECONDS = 15

/** An installation with two workers that sends a campaign, and a Prometheus with our alerts that watches it. */
export interface Site extends AsyncDisposable {
  readonly stack: TestStack
  readonly redis: ChaosRedis
  readonly prometheus: Prometheus
  readonly workers: readonly StackWorker[]
  /** A worker that Prometheus scrapes too. */
  addWorker(): Promise<StackWorker>
}

/** The client of the app `healthy`, which sends all the time, and of the app `ill`, which suffers. */
export const healthySid = 'S-1-15-2-1-1-1-1-1-1-1'
export const illSid = 'S-1-15-2-2-2-2-2-2-2-2'

const RATE_PER_SECOND = 60
/** Enough for a quarter of an hour. */
const CHANNELS = 60_000

export async function startSite(prometheusFolder: string): Promise<Site> {
  const folder = await temporaryFolder('wns-fanout-alerts-')
  const redis = new ChaosRedis(join(folder.path, 'redis'), await freePort())
  await redis.start()
  const stack = await startTestStack({
    redis: {
      url: redis.url(redis.port),
      port: redis.port,
      pid: 0,
      stop: async () => ({ code: await stopped(redis) }) as never,
    },
  })
  const workers = [await stack.startWorker(), await stack.startWorker()]
  const prometheus = await startPrometheus({
    folder: prometheusFolder,
    dir: join(folder.path, 'prometheus'),
    intervalSeconds: SCRAPE_SECONDS,
    ruleFiles: [`${root}/infra/prometheus/alerts.yaml`],
  })
  const scrape = async (): Promise<void> =>
    await prometheus.scrape({ api: [stack.apiOps], worker: workers.map(({ ops }) => ops) })
  await scrape()
  await registerIll(stack, 'healthy', healthySid, repeat(CHANNELS))
  await stack.api.createCampaign('healthy', tile)
  await until(
    'two scrapes of a sending installation',
    async () => (await prometheus.query('rate(wns_fanout_http_responses_total{status="200"}[1m]) > 0')).length > 0,
    120_000,
  )
  return {
    stack,
    redis,
    prometheus,
    workers,
    async addWorker() {
      const worker = await stack.startWorker()
      workers.push(worker)
      await scrape()
      return worker
    },
    async [Symbol.asyncDispose]() {
      await prometheus[Symbol.asyncDispose]()
      await stack[Symbol.asyncDispose]()
      await folder.remove()
    },
  }
}

async function stopped(redis: ChaosRedis): Promise<number> {
  await redis.stop()
  return 0
}

/** Registers an app with a client of its own, so that the simulator can treat it on its own. */
export async function registerIll(
  stack: TestStack,
  app: string,
  packageSid: string,
  behaviors: readonly string[],
  ratePerSecond = RATE_PER_SECOND,
): Promise<void> {
  const credentials = { kind: 'store', packageSid, clientSecret: 'a-secret-of-the-test' }
  await registerApp(stack, app, behaviors, { ratePerSecond, credentials })
}

export const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
}
