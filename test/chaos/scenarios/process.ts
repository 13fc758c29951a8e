import { eventually } from '@wns-fanout/testing'
import { setTimeout as wait } from 'node:timers/promises'
import { inspectable } from '../../support/inspector.ts'
import { evaluateIn } from '../inspect.ts'
import { finishedCampaign, launchCampaign, registerChannels, settledCount } from '../load.ts'
import { healthyFaults, Nemesis } from '../nemesis.ts'
import { diceOf } from '../random.ts'
import type { Scenario } from './scenario.ts'
import { LOCK_MS, facts, metric, must, pair, settle, underWay } from './scenario.ts'

/** What can happen to a worker process. */
export const processScenarios: readonly Scenario[] = [
  {
    id: 'P1',
    what: 'a worker is killed every 250 to 950 ms',
    async run(system, app, { seed }) {
      const campaign = await underWay(system, app, { recipients: 12_000 })
      const nemesis = new Nemesis(system, diceOf(seed), [250, 950], ['kill'])
      nemesis.start()
      await settledCount(system, campaign.id, 9000)
      await nemesis.heal()
      const verdict = await settle(system, campaign)
      must(verdict.takeovers > 0, 'no batch was taken over')
      return { kills: nemesis.counts['kill'] ?? 0, ...facts(verdict) }
    },
  },
  {
    id: 'P3',
    what: 'a worker is frozen for twice its lock, then continues',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const [frozen] = pair(system)
      frozen.freeze()
      await eventually(
        'the batches of the frozen worker to be taken over',
        async () => {
          const count = await system.look.hget(system.keys.campaign(app, campaign.id), 'takeovers')
          return Number(count ?? 0) > 0 ? true : undefined
        },
        LOCK_MS * 5,
      )
      frozen.thaw()
      await eventually(
        'the worker to learn that it lost its batches',
        async () => ((await metric(frozen, 'wns_fanout_batches_fenced_total')) > 0 ? true : undefined),
        20_000,
      )
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'P4',
    what: 'the event loop of a worker is blocked for twice its lock',
    async run(system, app) {
      const [blocked] = pair(system)
      await blocked.terminate()
      await blocked.start(inspectable)
      const campaign = await underWay(system, app)
      await evaluateIn(blocked, `{ const end = performance.now() + ${LOCK_MS * 2}; while (performance.now() < end); }`)
      return facts(await settle(system, campaign))
    },
  },
  {
    id: 'P5',
    what: 'SIGTERM under load: a hand-over without duplicates or doubt',
    async run(system, app) {
      const campaign = await underWay(system, app, { delivery: 'at-most-once' })
      const [leaving] = pair(system)
      const startedAtMs = performance.now()
      const code = await leaving.terminate()
      const exitMs = Math.round(performance.now() - startedAtMs)
      must(code === 0, `it ended with ${code}`)
      const verdict = await settle(system, campaign)
      must(verdict.takeovers === 0 && verdict.duplicates === 0 && verdict.inDoubt === 0, JSON.stringify(facts(verdict)))
      return { exitMs, ...facts(verdict) }
    },
  },
  {
    id: 'P6',
    what: 'SIGTERM while WNS takes 20 s to answer',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await system.wns({ latencyMs: 20_000 })
      await wait(500)
      const [leaving] = pair(system)
      const startedAtMs = performance.now()
      const code = await leaving.terminate(30_000)
      const exitMs = Math.round(performance.now() - startedAtMs)
      must(code !== null, 'it had to be killed after 30 s of grace')
      await system.wns(healthyFaults)
      await finishedCampaign(system, campaign.id, 120_000)
      const { totals } = await system.api.campaign(campaign.id)
      must(totals.accepted === campaign.behaviours.length, `only ${totals.accepted} were accepted`)
      return { exitMs }
    },
  },
  {
    id: 'P7',
    what: 'a worker with a heap of 40 MB',
    async run(system, app) {
      const [small] = pair(system)
      await small.terminate()
      await small.start({ NODE_OPTIONS: '--max-old-space-size=40' })
      return facts(await settle(system, await underWay(system, app)))
    },
  },
  {
    id: 'P8',
    what: 'a recipient that crashes every worker that posts to it fails alone',
    async run(system, app) {
      const [worker, other] = pair(system)
      await worker.terminate()
      await other.terminate()
      // Every process ends at its first post, so the first recipient in line is the killer.
      const behaviours = ['ok', 'ok', 'ok', 'ok', 'ok', 'ok']
      await registerChannels(system, app, behaviours)
      const { id } = await launchCampaign(system, app, behaviours, 'at-least-once')
      const failed = async (): Promise<number> =>
        Number((await system.look.hget(system.keys.campaign(app, id), 'total:failed')) ?? 0)
      let lives = 0
      while ((await failed()) === 0) {
        lives += 1
        must(lives <= 10, 'ten processes were lost and no recipient is suspected')
        await worker.start({ WNS_CRASH_AT: 'post-written:1' }).catch(() => {})
        await worker.ended()
      }
      await worker.start()
      const { totals } = await finishedCampaign(system, id, 60_000)
      must(totals.failed === 1 && totals.accepted === behaviours.length - 1, JSON.stringify(totals))
      const [poisoned] = await Array.fromAsync(system.api.results(id, { class: 'failed' }))
      must(poisoned?.reason === 'poison', `the reason is ${poisoned?.reason}`)
      return { lives }
    },
  },
  {
    id: 'P9',
    what: 'an uncaught error: the worker returns its batches and exits with 1',
    async run(system, app) {
      const [broken] = pair(system)
      await broken.terminate()
      await broken.start(inspectable)
      const campaign = await underWay(system, app)
      await evaluateIn(broken, `void setTimeout(() => { throw new Error('chaos') })`)
      await broken.ended()
      const verdict = await settle(system, campaign)
      must(verdict.takeovers === 0, `${verdict.takeovers} batches had to be taken over`)
      return facts(verdict)
    },
  },
  {
    id: 'P10',
    what: 'the workers are restarted in turn, again and again',
    async run(system, app) {
      const campaign = await underWay(system, app, { recipients: 12_000, ratePerSecond: 1500 })
      let restarts = 0
      while ((await system.api.campaign(campaign.id)).finishedAt === undefined) {
        for (const worker of system.workers) {
          const code = await worker.terminate()
          must(code === 0, `${worker.name} ended with ${code}`)
          await worker.start()
          restarts += 1
        }
      }
      const verdict = await settle(system, campaign)
      must(verdict.takeovers === 0 && verdict.duplicates === 0, JSON.stringify(facts(verdict)))
      return { restarts, ...facts(verdict) }
    },
  },
  {
    id: 'P11',
    what: 'every worker is killed; they restart long after all locks have expired',
    async run(system, app) {
      const campaign = await underWay(system, app)
      await Promise.all(system.workers.map((worker) => worker.kill()))
      await wait(LOCK_MS * 4)
      await Promise.all(system.workers.map((worker) => worker.start()))
      const backAtMs = performance.now()
      const before = (await system.api.campaign(campaign.id)).totals.accepted
      await settledCount(system, campaign.id, before + 300)
      const recoveryMs = Math.round(performance.now() - backAtMs)
      return { recoveryMs, ...facts(await settle(system, campaign)) }
    },
  },
  {
    id: 'P12',
    what: 'everything dies at once, Redis too, with one campaign under way and one whose time comes meanwhile',
    async run(system, app) {
      const campaign = await underWay(system, app)
      const later = `${app}-later`
      const behaviours = Array.from({ length: 2000 }, () => 'ok')
      await registerChannels(system, later, behaviours)
      const startAt = new Date(Date.now() + 2000).toISOString()
      const scheduled = await launchCampaign(system, later, behaviours, 'at-most-once', { startAt })
      await Promise.all([system.redis, system.apiProcess, ...system.workers].map((each) => each.kill()))
      await wait(3000)
      await system.redis.start()
      await Promise.all([system.apiProcess, ...system.workers].map((each) => each.start()))
      const first = await settle(system, campaign)
      const second = await settle(system, scheduled)
      must(second.recipients === behaviours.length, `the scheduled one reached ${second.recipients}`)
      return { ...facts(first), scheduledFinishMs: second.finishMs }
    },
  },
]
