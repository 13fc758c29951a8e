import type { AppId } from '@wns-fanout/domain'
import { expect, test, vi } from 'vitest'
import { Installation } from '../support/installation.ts'

const app = 'news' as AppId

test('a campaign whose vector vanished halts, and every recipient gets a class', async () => {
  const place = new Installation()
  const settings = await place.app('news', 1200)
  place.answer = () => ({ kind: 'server-error', status: 500, retryAfterMs: 2000, trace: {} })
  await place.worker().start()
  const { id } = await place.create(settings)
  await vi.waitFor(
    () => {
      expect(place.eventsOf('batch.parked').length).toBeGreaterThanOrEqual(3)
    },
    { timeout: 20_000 },
  )
  await place.redis.del(place.keys.vector(app, id, 1))
  await vi.waitFor(
    async () => {
      expect(await place.view(id)).toMatchObject({ state: 'halted', reason: 'ledger-damaged', totals: { pending: 0 } })
    },
    { timeout: 30_000 },
  )
  const { totals } = await place.view(id)
  expect(Object.values(totals).reduce((sum, count) => sum + count, 0)).toBe(1200)
  expect(totals.in_doubt).toBeGreaterThan(0)
  expect(totals.cancelled).toBeGreaterThan(0)
  expect(place.eventsOf('ledger.damaged')).toMatchObject([{ campaign: id, seq: 1 }])
}, 60_000)
