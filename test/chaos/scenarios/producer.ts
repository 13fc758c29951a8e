import { eventually } from '@wns-fanout/testing'
import { Queues } from '@wns-fanout/fanout'
import type { Queue } from 'bullmq'
import { Worker } from 'bullmq'
import type { AppId, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { ApiError } from '@wns-fanout/client'
import { postsOf } from '../judge.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount, tokenOf, uriOf } from '../load.ts'
import type { ChaosSystem } from '../system.ts'
import type { Facts, Scenario } from './scenario.ts'
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
      const batches = Array.from({ length: 16 }, (_, seq) => ({ campaign: campaign.id as CampaignId, seq, turn: 1 }))
      await withQueues(system, (queues) => queues.addBatches(app as AppId, batches))
      const verdict = await settle(system, campaign)
      must(verdict.duplicates === 0, `${verdict.duplicates} duplicates`)
      const posts = await postsSoFar(system)
      await withQueues(system, async (queues) => {
        await queues.addBatches(app as AppId, batches)
        await eventually(
          'the jobs to be gone',
          async () =>
            (await queues.sendQueue(app as AppId).getJobCountByTypes('prioritized', 'active', 'waiting')) === 0
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
      await withQueues(system, (queues) => queues.sendQueue(app as AppId).drain())
      await first.start()
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'N7',
    what: 'a worker gives up jobs that stalled once, and failed records of others stay behind',
    async run(system, app) {
      const [first, second] = pair(system)
      await second.terminate()
      const campaign = await underWay(system, app)
      await first.kill()
      const failed = await withQueues(system, async (queues) => {
        const queue = queues.sendQueue(app as AppId)
        await failStalled(queue)
        return leaveFailed(system, queue)
      })
      must(failed > 0, 'no job was left to fail')
      await first.start()
      await second.start()
      const verdict = await settle(system, campaign)
      return { failed, ...facts(verdict) }
    },
  },
  {
    id: 'N8',
    what: 'channels go, move, change their tags and come during a campaign: its audience is frozen',
    async run(system, app) {
      const behaviours = Array.from({ length: 6000 }, () => 'ok')
      await registerChannels(system, app, behaviours, { ratePerSecond: 800, burst: 80 }, ['news'])
      const launched = await launchCampaign(system, app, behaviours, 'at-least-once', { audience: { tags: 'news' } })
      await settledCount(system, launched.id, 200)
      const each = async (from: number, act: (n: number) => Promise<unknown>): Promise<void> => {
        for (let n = from; n < from + CHANGED; n += 1) await act(n)
      }
      // From the end, which no batch has reached yet.
      const [gone, moved, untagged] = [6000 - CHANGED, 6000 - 2 * CHANGED, 6000 - 3 * CHANGED]
      await each(gone, (n) => system.api.deleteChannel(app, `d${n}`))
      await each(moved, (n) => system.api.putChannel(app, `d${n}`, { uri: uriOf(app, n, 'slow-1'), tags: ['news'] }))
      await each(untagged, (n) => system.api.putChannel(app, `d${n}`, { uri: uriOf(app, n, 'ok'), tags: ['other'] }))
      await each(6000, (n) => system.api.putChannel(app, `d${n}`, { uri: uriOf(app, n, 'ok'), tags: ['news'] }))
      const before = await system.api.campaign(launched.id)
      must(before.totals.accepted < untagged - 512, 'it was too fast: the channels that change were sent to already')
      const now = behaviours.map((behaviour, n) => (n >= moved && n < gone ? 'slow-1' : behaviour))
      const verdict = await settle(system, { ...launched, behaviours: now })
      const { audienceSize, totals } = await system.api.campaign(launched.id)
      must(audienceSize === 6000, `the audience is ${audienceSize}`)
      must(totals.unregistered === CHANGED && totals.accepted === 6000 - CHANGED, JSON.stringify(totals))
      const posts = await postsOf(system)
      await each(moved, async (n) => must(!posts.has(tokenOf(app, n, 'ok')), `d${n} was posted to where it had been`))
      await each(6000, async (n) => must(!posts.has(tokenOf(app, n, 'ok')), `d${n} came late and was posted to`))
      return { unregistered: totals.unregistered, ...facts(verdict) }
    },
  },
]

/** Number of channels that change in each way. */
const CHANGED = 40

/** Two checks for stalled jobs by a worker that allows none, and the failure of the jobs that the second one found. */
async function failStalled(queue: Queue): Promise<void> {
  const stranger = new Worker(queue.name, () => Promise.reject(new Error('the stranger does nothing')), {
    connection: queue.opts.connection,
    prefix: queue.opts.prefix ?? '',
    autorun: false,
    maxStalledCount: 0,
    stalledInterval: 500,
  })
  try {
    await stranger.startStalledCheckTimer()
    await eventually(
      'the jobs of the dead worker to be taken from it',
      async () => ((await queue.getActiveCount()) === 0 ? true : undefined),
      30_000,
    )
  } finally {
    await stranger.close()
  }
}

/** By hand: what waits is moved to the failed jobs, as if it had failed with nothing that removes it. */
async function leaveFailed({ look }: ChaosSystem, queue: Queue): Promise<number> {
  const waiting = (await queue.getPrioritized(0, 7)).flatMap(({ id }) => (id === undefined ? [] : [id]))
  for (const id of waiting) {
    await look.zrem(queue.toKey('prioritized'), id)
    await look.zadd(queue.toKey('failed'), Date.now(), id)
    await look.hset(queue.toKey(id), 'failedReason', 'by hand', 'finishedOn', Date.now())
  }
  return waiting.length
}

async function plannedUnder(
  system: ChaosSystem,
  app: string,
  fault: () => Parameters<ReturnType<typeof pair>[0]['proxy']['set']>[0],
): Promise<Facts> {
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

async function withQueues<T>(system: ChaosSystem, act: (queues: Queues) => Promise<T>): Promise<T> {
  const queues = new Queues(system.look, system.keys, () => {})
  try {
    return await act(queues)
  } finally {
    await queues.close()
  }
}
