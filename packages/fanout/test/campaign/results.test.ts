import type { CampaignId } from '@wns-fanout/domain'
import { code } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { launch } from '../../src/campaign/launch.ts'
import { plan } from '../../src/plan/plan.ts'
import { helloToAll, NEWS, refOf, Stage } from './stage.ts'

async function launched(stage: Stage, channels: number): Promise<CampaignId> {
  const { id } = await stage.campaigns.create(await stage.app(channels), { ...helloToAll, allowEmpty: true })
  await launch(stage.deps, NEWS, id as CampaignId)
  return id as CampaignId
}

test('each recipient has one result, in the order of registration, with its posts', async () => {
  const stage = new Stage()
  const id = await launched(stage, 4)
  await stage.settle(id, 0, (at) => (at === 1 ? code.rejectedForbidden : code.accepted))
  expect(await Array.fromAsync(await stage.campaigns.results(refOf(id)))).toEqual([
    { channel: 'device-0', class: 'accepted', status: 200, posts: 1 },
    { channel: 'device-1', class: 'rejected', status: 403, reason: 'forbidden', posts: 1 },
    { channel: 'device-2', class: 'accepted', status: 200, posts: 1 },
    { channel: 'device-3', class: 'accepted', status: 200, posts: 1 },
  ])
})

test('results of one class leave out the others', async () => {
  const stage = new Stage()
  const id = await launched(stage, 4)
  await stage.settle(id, 0, (at) => (at === 1 ? code.rejectedForbidden : code.accepted))
  const rejected = await Array.fromAsync(await stage.campaigns.results(refOf(id), { class: 'rejected' }))
  expect(rejected.map(({ channel }) => channel)).toEqual(['device-1'])
})

test('recipients of batches that were not opened, and those not planned yet, are pending', async () => {
  const stage = new Stage()
  const { id } = await stage.campaigns.create(await stage.app(1025), helloToAll)
  await stage.store.launch(NEWS, id as CampaignId)
  const draft = stage.keys.temporary(NEWS, 'draft')
  await stage.store.storeAudience(
    NEWS,
    id as CampaignId,
    draft,
    await stage.audiences.freeze(NEWS, { all: true }, draft),
  )
  // Batches of 100, five of them ahead.
  stage.planRatePerSecond = 50
  await plan(stage.deps, NEWS, id as CampaignId)
  await stage.settle(id, 0, () => code.accepted)
  const results = await Array.fromAsync(await stage.campaigns.results(refOf(id)))
  expect(results.map((result) => result.class)).toEqual([
    ...(Array(100).fill('accepted') as string[]),
    ...(Array(925).fill('pending') as string[]),
  ])
  expect(new Set(results.map(({ channel }) => channel)).size).toBe(1025)
})

test('a canary that ends within a page leaves each recipient one result, during and after it', async () => {
  const stage = new Stage()
  const request = { ...helloToAll, canary: { size: 300, maxFailureShare: 0.5 } }
  const { id } = await stage.campaigns.create(await stage.app(1025), request)
  await launch(stage.deps, NEWS, id as CampaignId)
  await stage.settle(id, 0, () => code.accepted)
  const classes = async (): Promise<string[]> => {
    const results = await Array.fromAsync(await stage.campaigns.results(refOf(id)))
    expect(new Set(results.map(({ channel }) => channel)).size).toBe(1025)
    return results.map((result) => result.class)
  }
  const expected = [...(Array(300).fill('accepted') as string[]), ...(Array(725).fill('pending') as string[])]
  expect(await classes()).toEqual(expected)
  await plan(stage.deps, NEWS, id as CampaignId)
  expect(await classes()).toEqual(expected)
  await stage.settle(id, 1, () => code.failedServerError)
  expect((await classes()).slice(300, 512)).toEqual(Array(212).fill('failed'))
  await stage.campaigns.cancel(refOf(id))
  expect(await stage.campaigns.audienceCounts(NEWS, { failedOf: id })).toMatchObject({ size: 212 })
})

test('recipients that a cancelled campaign never reached are cancelled, without posts', async () => {
  const stage = new Stage()
  const id = await launched(stage, 3)
  await stage.campaigns.cancel(refOf(id))
  const results = await Array.fromAsync(await stage.campaigns.results(refOf(id)))
  expect(results.map((result) => [result.class, result.posts])).toEqual([
    ['cancelled', 0],
    ['cancelled', 0],
    ['cancelled', 0],
  ])
})

test('of a campaign without recipients there are none', async () => {
  const stage = new Stage()
  const id = await launched(stage, 0)
  expect(await Array.fromAsync(await stage.campaigns.results(refOf(id)))).toEqual([])
})
