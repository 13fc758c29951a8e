import type { CampaignId } from '@wns-fanout/domain'
import { expect, test, vi } from 'vitest'
import { Slots } from '../../src/worker/slots.ts'

const BROADCAST = 'broadcast' as CampaignId
const NEWCOMER = 'newcomer' as CampaignId

function setup(busyBatches = 2) {
  const queue: CampaignId[] = []
  const stop = new AbortController()
  const nextInQueue = vi.fn(async () => queue[0])
  const slots = new Slots({ busyBatches, freeSlots: 1, nextInQueue })
  const enter = (campaign: CampaignId) => slots.enter(campaign, stop.signal)
  return { queue, stop, enter, asked: () => nextInQueue.mock.calls.length }
}

test('a campaign gets as many places as keep the lanes busy, and a newcomer gets one more', async () => {
  const { enter } = setup()
  expect(await Promise.all([enter(BROADCAST), enter(BROADCAST), enter(NEWCOMER)])).toEqual([
    expect.any(Function),
    expect.any(Function),
    expect.any(Function),
  ])
})

test('a job that waits for a place gets the next one that is given up', async () => {
  const { queue, enter } = setup()
  queue.push(BROADCAST)
  const [leave] = await Promise.all([enter(BROADCAST), enter(BROADCAST)])
  const third = enter(BROADCAST)
  leave?.()
  expect(await third).toBeTypeOf('function')
})

test('a job that waits for a place goes back to the queue if a newcomer is next', async () => {
  const { queue, enter } = setup()
  await Promise.all([enter(BROADCAST), enter(BROADCAST)])
  queue.push(NEWCOMER)
  expect(await enter(BROADCAST)).toBeUndefined()
})

test('a newcomer that comes later is noticed too', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { queue, enter } = setup()
    await Promise.all([enter(BROADCAST), enter(BROADCAST)])
    const third = enter(BROADCAST)
    await vi.advanceTimersByTimeAsync(100)
    queue.push(NEWCOMER)
    await vi.advanceTimersByTimeAsync(200)
    expect(await third).toBeUndefined()
  } finally {
    vi.useRealTimers()
  }
})

test('several jobs that wait ask together, and one of them gives way', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const { queue, asked, enter, stop } = setup()
    await Promise.all([enter(BROADCAST), enter(BROADCAST)])
    const waiting = Array.from({ length: 5 }, () => enter(BROADCAST))
    await vi.advanceTimersByTimeAsync(2000)
    expect(asked()).toBeLessThanOrEqual(11)
    queue.push(NEWCOMER)
    await vi.advanceTimersByTimeAsync(200)
    stop.abort()
    const answers = await Promise.all(waiting)
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(1)
  } finally {
    vi.useRealTimers()
  }
})

test('a stop lets every job through, so that each batch is handed back', async () => {
  const { stop, enter } = setup()
  await Promise.all([enter(BROADCAST), enter(BROADCAST)])
  const third = enter(BROADCAST)
  stop.abort()
  expect(await third).toBeTypeOf('function')
})
