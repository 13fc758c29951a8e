import { Queues } from '@wns-fanout/fanout'
import type { AppId, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { ApiError } from '@wns-fanout/client'
import { eventually, finishedCampaign, launchCampaign, registerChannels } from '../load.ts'
import type { ChaosSystem } from '../system.ts'
import type { Scenario } from './scenario.ts'
import { facts, must, pair, postsSoFar, settle, underWay } from './scenario.ts'

const many = Array.from({ length: 20_000 }, () => 'ok')
const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
}

/** What can happen between a campaign's request and its jobs. */
export const producerScenarios: readonly Scenario[] = [
  {
    id: 'N1',
    what: 'the connection is cut while batches are put into the queue',
    run: (system, app) => plannedUnder(system, app, () => ({ kind: 'cutAfterUp', bytes: 4000 })),
  },
  {
    id: 'N2',
    what: 'the replies are lost while batches are put into the queue',
    run: (system, app) => plannedUnder(system, app, () => ({ kind: 'dropReplies' })),
  },
  {
    id: 'N3',
    what: 'fifty requests with one Idempotency-Key at once make one campaign',
    async run(system, app) {
      await registerChannels(system, app, ['ok', 'ok'])
      const made = await Promise.all(
        Array.from({ length: 50 }, () => system.api.createCampaign(app, tile, { idempotencyKey: 'once' })),
      )
      must(new Set(made.map(({ id }) => id)).size === 1, 'there are several campaigns')
      await finishedCampaign(system, made[0]?.id ?? '', 30_000)
      return { requests: made.length }
    },
  },
  {
    id: 'N4',
    what: 'one Idempotency-Key with another body is refused',
    async run(system, app) {
      await registerChannels(system, app, ['ok'])
      await system.api.createCampaign(app, tile, { idempotencyKey: 'once' })
      const refusal = await system.api
        .createCampaign(app, { ...tile, topic: 'other' }, { idempotencyKey: 'once' })
        .catch((error: unknown) => error)
      must(refusal instanceof ApiError && refusal.status === 422, 'it was not refused with 422')
      return {}
    },
  },
  {
    id: 'N5',
    what: 'batches are put into the queue again, during the campaign and after it',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const batches = Array.from({ length: 16 }, (_, seq) => ({ campaign: campaign.id as CampaignId, seq }))
      await withQueues(system, (queues) => queues.addBatches(app as AppId, batches, 'urgent'))
      const verdict = await settle(system, campaign)
      must(verdict.duplicates === 0, `${verdict.duplicates} duplicates`)
      const posts = await postsSoFar(system)
      await withQueues(system, async (queues) => {
        await queues.addBatches(app as AppId, batches, 'urgent')
        await eventually(
          'the jobs to be gone',
          async () =>
            (await queues.send(app as AppId).getJobCountByTypes('prioritized', 'active', 'waiting')) === 0
              ? true
              : undefined,
          20_000,
        )
      })
      must((await postsSoFar(system)) === posts, 'something was posted again')
      return facts(verdict)
    },
  },
  {
    id: 'N6',
    what: 'jobs are removed by hand: of batches, and of the launch itself',
    async run(system, app) {
      const [first, second] = pair(system)
      await first.terminate()
      await second.terminate()
      const behaviours = Array.from({ length: 8000 }, () => 'ok')
      await registerChannels(system, app, behaviours)
      const campaign = await launchCampaign(system, app, behaviours, 'at-least-once')
      const launch = system.keys.campaignsQueuePrefix
      await system.look.del(...(await system.look.keys(`${launch}:campaigns:*${campaign.id}*`)))
      await first.start({ WNS_CRASH_AT: 'jobs-added:1' }).catch(() => {})
      await first.ended()
      await withQueues(system, (queues) => queues.send(app as AppId).drain())
      await first.start()
      return facts(await settle(system, campaign))
    },
  },
]

const plannedUnder = async (
  system: ChaosSystem,
  app: string,
  fault: () => Parameters<ReturnType<typeof pair>[0]['proxy']['set']>[0],
): Promise<Awaited<ReturnType<Scenario['run']>>> => {
  await registerChannels(system, app, many, { ratePerSecond: 20_000, burst: 2000 })
  for (const { proxy } of system.workers) proxy.set(fault())
  const campaign = await launchCampaign(system, app, many, 'at-least-once')
  for (let n = 0; n < 5; n += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 150)
    })
    for (const { proxy } of system.workers) proxy.set({ kind: 'pass' })
    for (const { proxy } of system.workers) proxy.set(fault())
  }
  for (const { proxy } of system.workers) proxy.set({ kind: 'pass' })
  return facts(await settle(system, campaign))
}

const withQueues = async (system: ChaosSystem, act: (queues: Queues) => Promise<unknown>): Promise<void> => {
  const queues = new Queues(system.look, system.keys, () => {})
  try {
    await act(queues)
  } finally {
    await queues.close()
  }
}
