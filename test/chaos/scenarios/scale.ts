import { eventually } from '@wns-fanout/testing'
import { setTimeout as wait } from 'node:timers/promises'
import { classes } from '@wns-fanout/domain'
import type { Totals } from '@wns-fanout/domain'
import { creditWindow, postsOf } from '../judge.ts'
import { appSettings, finishedCampaign, launchCampaign, registerChannels, settledCount, tokenOf } from '../load.ts'
import type { ChaosSystem } from '../system.ts'
import type { Bench, Scenario } from './scenario.ts'
import { facts, must, openBatches, postsSoFar, settle } from './scenario.ts'

const TEN_MILLION = 10_000_000
/** Number of recipients of the ten million with an address; the first batches wait for their permits. */
const REAL = 6000
/** Batches planned and not closed, and the last step of a planner. Written here again, not imported. */
const MOST_LIVE = 256 + 128
const MOST_MEMORY_BYTES = 200 * 1024 * 1024
const MILLION = 1_000_000
const fastApp = { ratePerSecond: 100_000, burst: 10_000 }

/** What can happen when there is very much to send. These take minutes. */
export const scaleScenarios: readonly Scenario[] = [
  {
    id: 'N9',
    what: 'ten million recipients: planning stays in its look-ahead, Redis small, the API fast; then cancelled',
    async run(system, app, { report }) {
      const { look, keys, api } = system
      const behaviours = Array.from({ length: REAL }, () => 'ok')
      await registerChannels(system, app, behaviours, { ratePerSecond: 1, burst: 1 })
      await look.set(keys.occupied(app), Buffer.alloc(TEN_MILLION / 8, 0xff))
      await look.set(keys.next(app), TEN_MILLION)
      const small = await launchCampaign(system, app, [], 'at-least-once', {
        audience: { channels: ['d0'] },
        topic: 'small',
      })
      const quietMs = await slowestOfMost(() => api.campaign(small.id))
      const usedBefore = await usedMemory(system)
      const { id } = await launchCampaign(system, app, behaviours, 'at-least-once')
      await eventually(
        'ten million to be frozen',
        async () => (await api.campaign(id)).audienceSize ?? undefined,
        30_000,
      )
      const live = (): Promise<number> => look.scard(keys.live(app, id))
      await eventually('the look-ahead to be planned', async () => ((await live()) >= 256 ? true : undefined), 30_000)
      report('ten million are frozen, the look-ahead is planned and waits for permits')
      let [most, grownBytes] = [0, 0]
      const measure = async (): Promise<void> => {
        most = Math.max(most, await live())
        grownBytes = Math.max(grownBytes, (await usedMemory(system)) - usedBefore)
      }
      for (let n = 0; n < 20; n += 1) {
        await measure()
        await wait(100)
      }
      // Now the plan continues as fast as batches are closed; most have no recipient with an address.
      await api.putApp(app, { ...appSettings, ...fastApp })
      await settledCount(system, id, REAL)
      const planningMs = await slowestOfMost(() => api.campaign(id), measure)
      const { audienceSize, totals: sofar } = await api.campaign(id)
      report(`${(audienceSize ?? 0) - sofar.pending} of ${audienceSize} are settled`)
      must(sofar.pending > 0, 'it was over before it could be looked at')
      must(most <= MOST_LIVE, `${most} batches are live`)
      must(grownBytes < MOST_MEMORY_BYTES, `Redis grew by ${grownBytes} bytes`)
      must(planningMs < Math.max(100, quietMs * 10), `the API took ${planningMs} ms, ${quietMs} ms before`)
      const startedAtMs = performance.now()
      await api.cancelCampaign(id)
      const { totals, state } = await finishedCampaign(system, id, 30_000)
      const cancelMs = Math.round(performance.now() - startedAtMs)
      must(state === 'cancelled' && sumOf(totals) === TEN_MILLION, `${state}, ${JSON.stringify(totals)}`)
      return { live: most, grownKb: Math.round(grownBytes / 1024), quietMs, planningMs, cancelMs }
    },
  },
  {
    id: 'N10',
    what: 'a million recipients at full speed, cancelled: within the credit of the open batches it is silent',
    async run(system, app, { report }) {
      const behaviours = await registerMany(system, app, MILLION, report)
      const before = await postsSoFar(system)
      const { id } = await launchCampaign(system, app, behaviours, 'at-least-once')
      await settledCount(system, id, MILLION / 50)
      const speed = await speedOf(system)
      const openBefore = await openBatches(system, app, id)
      await system.api.cancelCampaign(id)
      const acknowledged = await postsSoFar(system)
      // Batches may have been opened between the two looks.
      const open = Math.max(openBefore, await openBatches(system, app, id)) + system.workers.length
      const startedAtMs = performance.now()
      const { totals, state } = await finishedCampaign(system, id, 60_000)
      const finishMs = Math.round(performance.now() - startedAtMs)
      const posts = (await postsSoFar(system)) - acknowledged
      must(posts <= creditWindow['at-least-once'] * open, `${posts} posts after the cancel with ${open} batches open`)
      const after = await postsSoFar(system)
      await wait(3000)
      must((await postsSoFar(system)) === after, 'something was posted after the end')
      must(state === 'cancelled' && sumOf(totals) === MILLION, `${state}, ${JSON.stringify(totals)}`)
      must(totals.accepted === after - before, `${totals.accepted} are accepted, the simulator took ${after - before}`)
      return { speed, open, posts, finishMs, accepted: totals.accepted }
    },
  },
  {
    id: 'N10',
    what: 'a quarter of a million at full speed, paused for a minute: silence, then no duplicates and no losses',
    async run(system, app, { report }) {
      const behaviours = await registerMany(system, app, MILLION / 4, report)
      const campaign = await launchCampaign(system, app, behaviours, 'at-least-once')
      await settledCount(system, campaign.id, 50_000)
      await system.api.pauseCampaign(campaign.id)
      await eventually(
        'the open batches to be parked',
        async () => ((await openBatches(system, app, campaign.id)) === 0 ? true : undefined),
        30_000,
      )
      const drained = await postsSoFar(system)
      const pausedAtMs = performance.now()
      while (performance.now() - pausedAtMs < 60_000) {
        await wait(10_000)
        report(`paused for ${Math.round((performance.now() - pausedAtMs) / 1000)} s`)
        const posts = (await postsSoFar(system)) - drained
        must(posts === 0, `${posts} posts while it is paused`)
      }
      await system.api.resumeCampaign(campaign.id)
      const verdict = await settle(system, campaign)
      must(verdict.duplicates === 0, `${verdict.duplicates} got it twice`)
      const { totals } = await system.api.campaign(campaign.id)
      must(totals.accepted === behaviours.length, `${totals.accepted} of ${behaviours.length} are accepted`)
      const record = await postsOf(system)
      const missed = behaviours.filter((behaviour, n) => record.get(tokenOf(app, n, behaviour))?.posts !== 1)
      must(missed.length === 0, `${missed.length} were not posted to exactly once`)
      return facts(verdict)
    },
  },
]

async function registerMany(
  system: ChaosSystem,
  app: string,
  count: number,
  report: Bench['report'],
): Promise<readonly string[]> {
  const behaviours = Array.from({ length: count }, () => 'ok')
  const ticking = setInterval(() => {
    system.look.get(system.keys.next(app)).then(
      (next) => report(`${next ?? 0} of ${count} channels are registered`),
      () => {},
    )
  }, 5000)
  try {
    await registerChannels(system, app, behaviours, fastApp)
  } finally {
    clearInterval(ticking)
  }
  return behaviours
}

/** Posts a second, over a second. */
async function speedOf(system: ChaosSystem): Promise<number> {
  const before = await postsSoFar(system)
  await wait(1000)
  return (await postsSoFar(system)) - before
}

function sumOf(totals: Totals): number {
  return classes.reduce((sum, name) => sum + totals[name], 0)
}

/** The milliseconds within which 95 of 100 calls are answered. */
async function slowestOfMost(
  call: () => Promise<unknown>,
  between: () => Promise<void> = () => wait(5),
): Promise<number> {
  const tookMs: number[] = []
  for (let n = 0; n < 200; n += 1) {
    const startedAtMs = performance.now()
    await call()
    tookMs.push(performance.now() - startedAtMs)
    await between()
  }
  return Math.ceil(tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length * 0.95)] ?? 0)
}

async function usedMemory({ look }: ChaosSystem): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(String(await look.call('INFO', 'memory')))?.[1] ?? 0)
}
