import { Readable } from 'node:stream'
import type { Campaign, CampaignRequest, Totals } from '@wns-fanout/domain'
import { classes } from '@wns-fanout/domain'
import { closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import type { StackWorker, TestStack } from '../support/stack.ts'

export const packageSid = 'S-1-15-2-11-22-33-44-55-66-77'

/** Two workers that take over from each other soon, started one after the other. */
export async function twoWorkers(stack: TestStack, lockMs: number): Promise<StackWorker[]> {
  const env = { WNS_FANOUT_LOCK_MS: String(lockMs) }
  return [await stack.startWorker(env), await stack.startWorker(env)]
}

/** Register an app with channels that behave as asked: the nth channel, counted from 0, is `d<n>`. */
export async function registerApp(
  { api }: TestStack,
  app: string,
  behaviours: readonly string[],
  settings: Record<string, unknown> = {},
): Promise<void> {
  await api.putApp(app, {
    credentials: { kind: 'store', packageSid, clientSecret: 'test-secret' },
    ratePerSecond: 50_000,
    ...settings,
  })
  // An upload without a line is refused.
  if (behaviours.length === 0) return
  const lines = behaviours.map((behaviour, n) => `${JSON.stringify(importLine(app, n, behaviour))}\n`)
  const result = await api.importChannels(app, Readable.from(lines, { objectMode: false }), { type: 'ndjson' })
  if (result.created !== behaviours.length) throw new Error(`not all were imported: ${JSON.stringify(result)}`)
}

export function importLine(app: string, n: number, behaviour: string): Record<string, unknown> {
  return {
    channel: `d${n}`,
    uri: `https://${['db5p', 'am3p', 'wns2-by3p', 'hk2'][n % 4]}.notify.windows.com/?token=${behaviour}.any.${app}-${n}`,
  }
}

export const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
}

/** The campaign once nothing of it is pending any more. */
export function finished({ api }: TestStack, id: string, timeoutMs = 60_000): Promise<Campaign> {
  return until(
    `campaign ${id} to finish`,
    async () => {
      const campaign = await api.campaign(id)
      sumsUp(campaign)
      return campaign.finishedAt === undefined ? undefined : campaign
    },
    timeoutMs,
  )
}

/** The campaign once it is halted and no worker holds a batch of it. Its other recipients stay pending. */
export async function halted(stack: TestStack, id: string, timeoutMs = 60_000): Promise<Campaign> {
  const { app } = await until(
    `campaign ${id} to halt`,
    async () => {
      const campaign = await stack.api.campaign(id)
      sumsUp(campaign)
      return campaign.state === 'halted' ? campaign : undefined
    },
    timeoutMs,
  )
  await letGo(stack, app, id)
  return stack.api.campaign(id)
}

/** The totals of a campaign sum to its audience at every instant. */
export function sumsUp({ totals, audienceSize }: Campaign): void {
  const sum = classes.reduce((so, name) => so + totals[name], 0)
  if (audienceSize !== null && sum !== audienceSize) throw new Error(`totals sum to ${sum} of ${audienceSize}`)
}

/** Resolves once no worker holds a batch of the campaign, so that nothing more can be posted for it. */
export async function letGo(stack: TestStack, app: string, id: string): Promise<void> {
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const keys = new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? '')
  try {
    await until(`every batch of ${id} to be let go`, async () => {
      const live = await redis.smembers(keys.live(app, id))
      const states = await Promise.all(live.map((seq) => redis.hget(keys.batch(app, id, Number(seq)), 'state')))
      return states.includes('open') ? undefined : true
    })
  } finally {
    await closeRedis(redis)
  }
}

/** The classes that have recipients. */
export function some(totals: Totals): Partial<Totals> {
  return Object.fromEntries(Object.entries(totals).filter(([, count]) => count > 0))
}

export interface SimulatorStats {
  readonly posts: number
  readonly duplicates: number
  readonly tokenRequests: number
  readonly wrongApp: number
  readonly badHeader: number
  readonly byStatus: Readonly<Record<string, number>>
}

export async function simulatorStats(stack: TestStack): Promise<SimulatorStats> {
  return (await stack.control('GET', '/v1/stats')) as SimulatorStats
}

/** Value of a metric, its labels given as they are written; summed over the series that match. */
export function metric(text: string, name: string, labels = ''): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.split(',').every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
