import type { CampaignId } from '@wns-fanout/domain'
import { code, emptyTotals } from '@wns-fanout/domain'
import { AppEvents, LedgerDamaged } from '@wns-fanout/state'
import { describe, expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { failureShare } from '../../src/plan/canary.ts'
import { plan } from '../../src/plan/plan.ts'
import { helloToAll, NEWS, refOf, Stage } from '../campaign/stage.ts'

/** A campaign with a frozen audience of 1,100 recipients: batches of 512, 512 and 76. */
async function frozen(request: Partial<typeof helloToAll> = {}) {
  const stage = new Stage()
  const { id } = await stage.campaigns.create(await stage.app(1100), { ...helloToAll, ...request })
  const campaign = id as CampaignId
  await stage.store.launch(NEWS, campaign)
  const draft = stage.keys.temporary(NEWS, 'draft')
  await stage.store.storeAudience(NEWS, campaign, draft, await stage.audiences.freeze(NEWS, { all: true }, draft))
  const planOn = () => plan(stage.deps, NEWS, campaign)
  const seqs = () => stage.queues.batches.map(({ seq }) => seq)
  return { stage, campaign, planOn, seqs }
}

test('the whole audience is planned, and each batch gets a job with its turn', async () => {
  const { stage, campaign, planOn } = await frozen({ priority: 'urgent' })
  await planOn()
  expect(stage.queues.batches.map(({ seq, turn }) => [seq, turn])).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ])
  expect(await stage.record(campaign)).toMatchObject({ planned: 3, plannedRecipients: 1100, planComplete: true })
  const batches = await stage.ledger.batches({ app: NEWS, campaign }, [0, 1, 2])
  expect(batches.map((batch) => batch?.recipients)).toEqual([512, 512, 76])
})

test('a complete plan is not continued', async () => {
  const { planOn, seqs } = await frozen()
  await planOn()
  await planOn()
  expect(seqs()).toEqual([0, 1, 2])
})

test('no more batches wait than ten seconds of the rate, each of two seconds, and closed ones make room', async () => {
  const { stage, campaign, planOn, seqs } = await frozen()
  stage.planRatePerSecond = 40
  await planOn()
  expect(seqs()).toEqual([0, 1, 2, 3, 4])
  const batches = await stage.ledger.batches({ app: NEWS, campaign }, seqs())
  expect(batches.map((batch) => batch?.recipients)).toEqual([80, 80, 80, 80, 80])
  await planOn()
  expect(seqs()).toEqual([0, 1, 2, 3, 4])
  await stage.settle(campaign, 0, () => code.accepted)
  await planOn()
  expect(seqs()).toEqual([0, 1, 2, 3, 4, 5])
})

test('batches that divide pages hold each recipient of the audience once', async () => {
  const { stage, campaign, planOn } = await frozen()
  stage.planRatePerSecond = 40
  for (let done = 0; !(await stage.record(campaign)).planComplete; done += 1) {
    await planOn()
    await stage.settle(campaign, done, () => code.accepted)
  }
  expect(await stage.record(campaign)).toMatchObject({ plannedRecipients: 1100 })
})

test('a planner that finds nothing to plan records when to wake it', async () => {
  const { stage, campaign, planOn } = await frozen()
  stage.planRatePerSecond = 40
  await planOn()
  stage.planRatePerSecond = 32
  await planOn()
  expect(await stage.redis.hget(stage.keys.campaign(NEWS, campaign), 'wakeAt')).toBe('3')
})

test('two planners at once plan each batch once', async () => {
  const { stage, campaign, planOn, seqs } = await frozen()
  await Promise.all([planOn(), planOn(), planOn()])
  expect(new Set(seqs())).toEqual(new Set([0, 1, 2]))
  expect(seqs()).toHaveLength(3)
  expect(await stage.record(campaign)).toMatchObject({ planned: 3, planComplete: true })
})

test.each(['pause', 'cancel'] as const)('nothing is planned after a %s', async (act) => {
  const { stage, campaign, planOn, seqs } = await frozen()
  await stage.store.steer(NEWS, campaign, act)
  await planOn()
  expect(seqs()).toEqual([])
})

test('a campaign that does not exist is not planned', async () => {
  const { stage } = await frozen()
  await plan(stage.deps, NEWS, 'nothing' as CampaignId)
  expect(stage.queues.batches).toEqual([])
})

test('a damaged campaign is not planned', async () => {
  const { stage, campaign, planOn } = await frozen()
  await stage.redis.hset(stage.keys.campaign(NEWS, campaign), 'definition', '{')
  await expect(planOn()).rejects.toThrow(LedgerDamaged)
})

test('a damaged campaign of the app does not keep another one from being planned', async () => {
  const { stage, campaign, planOn } = await frozen()
  await stage.redis.sadd(stage.keys.active(NEWS), 'torn')
  await stage.redis.set(stage.keys.campaign(NEWS, 'torn'), 'not a hash')
  await planOn()
  expect(await stage.record(campaign)).toMatchObject({ planComplete: true })
})

test('batches of a campaign with a pace are due evenly over its time', async () => {
  const { stage, campaign, planOn } = await frozen({ pace: { overSeconds: 1100 } })
  await planOn()
  const { startedAtMs = 0, redisNowMs } = await stage.record(campaign)
  const due = (await stage.ledger.batches({ app: NEWS, campaign }, [0, 1, 2])).map(
    (batch) => (batch?.dueAtMs ?? 0) - startedAtMs,
  )
  expect(due).toEqual([0, 512_000, 1_024_000])
  const [first, second] = stage.queues.batches
  expect(first?.delayMs).toBe(0)
  expect(second?.delayMs).toBeGreaterThan(512_000 - (redisNowMs - startedAtMs) - 1)
  expect(second?.delayMs).toBeLessThanOrEqual(512_000)
})

describe('a canary', () => {
  const canary = { size: 300, maxFailureShare: 0.1 }

  test('is planned alone until all of its outcomes are known', async () => {
    const { stage, campaign, planOn, seqs } = await frozen({ canary })
    await planOn()
    await planOn()
    expect(seqs()).toEqual([0])
    await stage.settle(campaign, 0, () => code.accepted)
    await planOn()
    expect(seqs()).toEqual([0, 1, 2, 3])
    expect(await stage.record(campaign)).toMatchObject({ canaryPassed: true, planComplete: true })
    const batches = await stage.ledger.batches({ app: NEWS, campaign }, seqs())
    // Exactly the first 300, then the rest of their page.
    expect(batches.map((batch) => batch?.recipients)).toEqual([300, 212, 512, 76])
  })

  test.each([
    ['as many failures as it may have passes', 30, 'sending'],
    ['more failures than it may have halts the campaign', 31, 'halted'],
  ])('with %s', async (_, failures, state) => {
    const { stage, campaign, planOn, seqs } = await frozen({ canary })
    await planOn()
    await stage.settle(campaign, 0, (at) => (at < failures ? code.rejectedForbidden : code.accepted))
    await planOn()
    expect(await stage.record(campaign)).toMatchObject({ state, canaryPassed: state === 'sending' })
    if (state === 'halted') {
      expect(seqs()).toEqual([0])
      expect(await stage.record(campaign)).toMatchObject({
        reason: 'canary',
        heldBy: 'canary',
        totals: { pending: 800 },
      })
      await stage.campaigns.resume(refOf(campaign), 'canary')
      await planOn()
      expect(seqs()).toEqual([0, 1, 2, 3])
    }
  })

  test.each([
    [{ size: 1 }, [1, 511, 512, 76]],
    [{ share: 0.01 }, [11, 501, 512, 76]],
    [{ share: 0.0001 }, [1, 511, 512, 76]],
  ])('of %j is exactly that many, then come the rest of their page and the others', async (amount, sizes) => {
    const { stage, campaign, planOn, seqs } = await frozen({ canary: amount })
    await planOn()
    expect(seqs()).toEqual([0])
    await stage.settle(campaign, 0, () => code.accepted)
    await planOn()
    const batches = await stage.ledger.batches({ app: NEWS, campaign }, seqs())
    expect(batches.map((batch) => batch?.recipients)).toEqual(sizes)
  })

  test.each([
    [['dropped'], code.dropped, 'halted'],
    [['dropped'], code.rejectedForbidden, 'sending'],
    [['suppressed', 'gated'], code.gated, 'halted'],
    [undefined, code.deadExpired, 'halted'],
    [undefined, code.dropped, 'sending'],
  ] as const)('that counts %j as failing is, with the code %d, %s', async (failingClasses, outcome, state) => {
    const failing = failingClasses === undefined ? {} : { failingClasses: [...failingClasses] }
    const { stage, campaign, planOn } = await frozen({ canary: { size: 20, ...failing } })
    await planOn()
    await stage.settle(campaign, 0, (at) => (at < 2 ? outcome : code.accepted))
    await planOn()
    expect(await stage.record(campaign)).toMatchObject({ state })
  })

  test('with manual approval waits for a person once it is settled, and is planned on afterwards', async () => {
    const { stage, campaign, planOn, seqs } = await frozen({ canary: { size: 20, approve: 'manual' } })
    await planOn()
    await expect(stage.campaigns.approve(refOf(campaign))).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('not settled yet') as string,
    })
    await stage.settle(campaign, 0, () => code.accepted)
    await planOn()
    expect(seqs()).toEqual([0])
    const waiting = await stage.campaigns.get(refOf(campaign))
    expect(waiting).toMatchObject({ state: 'sending', reason: 'canary', etaSeconds: null })
    expect(waiting?.detail).toContain('approve the rest')
    await planOn()
    const { items } = await new AppEvents(stage.redis, stage.keys).read(refOf(campaign).app, { limit: 9 })
    expect(items).toMatchObject([{ type: 'campaign.waiting-for-approval', data: { campaign } }])
    await stage.campaigns.approve(refOf(campaign))
    expect(await stage.campaigns.approve(refOf(campaign))).not.toHaveProperty('detail')
    await planOn()
    expect(seqs()).toEqual([0, 1, 2, 3])
  })

  test('with manual approval halts all the same if too many fail, and is not approved then', async () => {
    const { stage, campaign, planOn } = await frozen({ canary: { size: 20, approve: 'manual' } })
    await planOn()
    await stage.settle(campaign, 0, () => code.failedServerError)
    await expect(stage.campaigns.approve(refOf(campaign))).rejects.toMatchObject({ code: 'conflict' })
    await planOn()
    await expect(stage.campaigns.approve(refOf(campaign))).rejects.toMatchObject({
      message: expect.stringContaining('{"accept": "canary"}') as string,
    })
  })

  test('without manual approval is not approved by a person', async () => {
    const { stage, campaign } = await frozen({ canary: { size: 20 } })
    await expect(stage.campaigns.approve(refOf(campaign))).rejects.toMatchObject({ code: 'conflict' })
  })

  test('of the size of the audience lets the campaign complete', async () => {
    const { stage, campaign, planOn } = await frozen({ canary: { size: 1100, maxFailureShare: 0.5 } })
    for (const seq of [0, 1, 2]) {
      await planOn()
      await stage.settle(campaign, seq, () => code.accepted)
    }
    await planOn()
    expect(await stage.totals(campaign)).toEqual({ accepted: 1100 })
  })
})

test.each([
  [{}, 0],
  [{ rejected: 1, failed: 2, dead: 3, in_doubt: 4 }, 1],
  [{ accepted: 5, dropped: 5, suppressed: 5, gated: 5, pending: 5 }, 0],
  [{ accepted: 5, rejected: 5 }, 0.5],
])('of ten recipients with %j the share that failed is %d', (totals, share) => {
  expect(failureShare({ ...emptyTotals(), ...totals }, 10)).toBe(share)
})

test('of no recipients none failed', () => {
  expect(failureShare(emptyTotals(), 0)).toBe(0)
})

test('the launch of a campaign plans it', async () => {
  const stage = new Stage()
  const { id } = await stage.campaigns.create(await stage.app(1), helloToAll)
  await launch(stage.deps, NEWS, id as CampaignId)
  expect(await stage.record(id)).toMatchObject({ planned: 1 })
})
