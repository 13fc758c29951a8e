import type { Campaign, CampaignRequest, Totals } from '@wns-fanout/domain'
import { closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { sumsUp } from '../support/campaigns.ts'
import { SimulatedClients } from '../support/clients.ts'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'

export interface StackWithClients {
  readonly stack: TestStack
  readonly workers: readonly StackWorker[]
  readonly clients: SimulatedClients
}

/** A stack with two workers, in which each app can have a client of its own that the simulator treats differently. */
export async function startWithClients(): Promise<StackWithClients> {
  const stack = await startTestStack()
  const workers = await twoWorkers(stack, 4000)
  return { stack, workers, clients: new SimulatedClients(stack) }
}

/** Two workers that take over from each other soon, started one after the other. */
export async function twoWorkers(stack: TestStack, lockMs: number): Promise<StackWorker[]> {
  const env = { WNS_FANOUT_LOCK_MS: String(lockMs) }
  return [await stack.startWorker(env), await stack.startWorker(env)]
}

export const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
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

/** Value of a metric, its labels given as they are written; summed over the series that match. */
export function metric(text: string, name: string, labels = ''): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && labels.split(',').every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}
