import { connectRedis, Ledger } from '@wns-fanout/state'
import { expect, inject, test, vi } from 'vitest'
import { Installation } from '../support/installation.ts'

async function until(condition: () => Promise<void> | void): Promise<void> {
  await vi.waitFor(condition, { timeout: 20_000, interval: 20 })
}

test('the batches of a worker that died are opened by another one long before its locks lapse', async () => {
  const place = new Installation()
  const settings = await place.app('news', 300)
  place.answer = () => undefined
  const dying = connectRedis(inject('redisUrl'), { role: 'worker' })
  const lockMs = 3_600_000
  const dead = place.worker({ redis: dying, ledger: new Ledger(dying, place.keys), lockMs })
  await dead.start()
  const { id } = await place.create(settings)
  await until(() => {
    expect(place.posts.length).toBeGreaterThan(0)
  })
  await place.worker({ lockMs }).start()
  // As the kernel does with the sockets of a process that ends. Its answers never come.
  dying.disconnect()
  place.answer = () => ({ kind: 'accepted', status: 200, trace: {} })
  await until(async () => {
    expect(await place.view(id)).toMatchObject({ state: 'completed', totals: { accepted: 300, pending: 0 } })
  })
  expect(place.eventsOf('worker.died')).toMatchObject([{ jobs: expect.any(Number) }])
  expect(place.eventsOf('batch.opened').some(({ takeover }) => takeover)).toBe(true)
  // What was taken for dead returns, and finds that another one owns its batches.
  await dying.connect()
  place.release()
  await until(() => {
    expect(place.eventsOf('batch.fenced').length).toBeGreaterThan(0)
  })
  expect((await place.view(id)).totals).toMatchObject({ accepted: 300 })
})
