import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { CampaignRequest } from '@wns-fanout/domain'
import { repeat } from '@wns-fanout/testing'
import { registerApp } from '../support/apps.ts'
import { root } from '../repo/files.ts'
import { type Prometheus, startPrometheus } from '../support/prometheus.ts'
import { type TestStack, startTestStack } from '../support/stack.ts'

export interface Scene extends AsyncDisposable {
  readonly prometheus: Prometheus
  /** When the first campaign started, in seconds. */
  readonly startSeconds: number
}

/** What happens on the pictures, in seconds after the start of the first campaign. */
const times = { secondCampaign: 15, throttle: 50, release: 95, failing: 75, end: 225 }

/**
 * Three apps: `news` sends all the time, WNS throttles `shop` for a while, and the token service refuses the
 * credentials of `weather` from the start of its campaign.
 */
export async function playScene(prometheusFolder: string, dir: string): Promise<Scene> {
  const stack = await startTestStack()
  const workers = [await stack.startWorker(), await stack.startWorker()]
  const prometheus = await startPrometheus({
    folder: prometheusFolder,
    dir: join(dir, 'prometheus'),
    ruleFiles: [`${root}/infra/prometheus/alerts.yaml`],
  })
  await prometheus.scrape({ api: [stack.apiOps], worker: workers.map(({ ops }) => ops) })
  await registerApps(stack)
  await stack.control('PUT', '/v1/faults', { latencyMs: 40 })

  const startSeconds = Date.now() / 1000
  const at = async (second: number): Promise<void> => await wait((startSeconds + second) * 1000 - Date.now())
  await stack.api.createCampaign('news', { ...tile, maxDeadShare })
  await at(times.secondCampaign)
  await stack.api.createCampaign('shop', toast)
  await at(times.throttle)
  const throttled = { [sids.shop]: { rateCap: { perSecond: 60, status: 429, retryAfter: 3 } } }
  await stack.control('PUT', '/v1/faults', { latencyMs: 40, clients: throttled })
  await at(times.failing)
  const refused = { [sids.weather]: { token: { mode: 'refuse', refusal: 'secret' } } }
  await stack.control('PUT', '/v1/faults', { latencyMs: 40, clients: { ...throttled, ...refused } })
  await stack.api.createCampaign('weather', tile)
  await at(times.release)
  await stack.control('PUT', '/v1/faults', { latencyMs: 40, clients: refused })
  await at(times.end)
  return {
    prometheus,
    startSeconds,
    [Symbol.asyncDispose]: async () => {
      await prometheus[Symbol.asyncDispose]()
      await stack[Symbol.asyncDispose]()
    },
  }
}

const sids = { news: 'S-1-15-2-1-1-1-1-1-1-1', shop: 'S-1-15-2-2-2-2-2-2-2-2', weather: 'S-1-15-2-3-3-3-3-3-3-3' }

async function registerApps(stack: TestStack): Promise<void> {
  const everyTenth = ['gone', ...repeat(9)]
  await register(
    stack,
    'news',
    400,
    Array.from({ length: 90_000 }, (_, n) => mixed[n % mixed.length] ?? 'ok'),
  )
  await register(
    stack,
    'shop',
    250,
    Array.from({ length: 25_000 }, (_, n) => everyTenth[n % 10] ?? 'ok'),
  )
  await register(stack, 'weather', 300, repeat(8000))
}

const mixed = [...repeat(90), ...repeat(4, 'gone'), ...repeat(3, 'dropped'), ...repeat(2, 'flaky-20'), 'badheader']

async function register(
  stack: TestStack,
  app: keyof typeof sids,
  ratePerSecond: number,
  behaviors: readonly string[],
): Promise<void> {
  const credentials = { kind: 'store', packageSid: sids[app], clientSecret: 'a-secret-of-the-pictures' }
  await registerApp(stack, app, behaviors, { ratePerSecond, credentials })
}

const maxDeadShare = { share: 0.2, reason: 'the audience of the pictures has dead channels' }
const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
}
const toast: CampaignRequest = {
  notification: { type: 'toast', content: { title: 'Hello' } },
  audience: { all: true },
  maxDeadShare,
}
