import { randomBytes } from 'node:crypto'
import { closeRedis, connectRedis, Keys } from '@wns-fanout/state'
import { Queue, Worker } from 'bullmq'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import type { WakeableBackend } from '../../src/worker/queue-connection.ts'
import { QueueConnection } from '../../src/worker/queue-connection.ts'
import { workerOptions } from '../../src/worker/run-worker.ts'

function start() {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  const keys = new Keys(`w${randomBytes(6).toString('hex')}:`)
  const connection = new QueueConnection(redis, keys)
  const prefix = keys.sendQueuePrefix('news')
  onTestFinished(async () => {
    await connection.close()
    await closeRedis(redis)
  })
  return { redis, connection, prefix }
}

/** A worker that never looks by itself within a test, and notes the jobs that it gets. */
async function startWorker({ redis, connection, prefix }: ReturnType<typeof start>) {
  const jobs: (string | undefined)[] = []
  const worker = new Worker<unknown, void, string, WakeableBackend>(
    'send-news',
    async (job) => void jobs.push(job.id),
    { ...workerOptions(redis, 60_000), prefix, drainDelay: 60, autorun: true },
    connection.backend,
  )
  onTestFinished(() => worker.close())
  const queue = new Queue('send-news', { connection: redis, prefix, skipVersionCheck: true }, connection.backend)
  onTestFinished(() => queue.close())
  const { backend, add } = {
    backend: worker.getBackend(),
    add: (jobId: string, delay = 0) => queue.add('send', {}, { jobId, delay, removeOnComplete: true }),
  }
  await vi.waitFor(() => expect(backend.hold()).toBe(true))
  return { worker, queue, backend, add, jobs }
}

test('a worker waits without a connection of its own, and fetches when it is woken', async () => {
  const place = start()
  const duplicate = vi.spyOn(place.redis, 'duplicate')
  const { backend, add, jobs } = await startWorker(place)
  backend.release()
  await add('one')
  backend.wake()
  await vi.waitFor(() => expect(jobs).toEqual(['one']))
  expect(duplicate).not.toHaveBeenCalled()
})

test('a worker that was woken while it fetched fetches once more', async () => {
  const { backend, add, jobs } = await startWorker(start())
  backend.release()
  backend.wake()
  const added = add('one')
  // While the worker looks, whichever comes first.
  backend.wake()
  await added
  backend.wake()
  await vi.waitFor(() => expect(jobs).toEqual(['one']))
})

test('a delayed job is fetched when it is due, without being woken for it', async () => {
  const { backend, add, jobs } = await startWorker(start())
  await add('later', 300)
  backend.release()
  expect(jobs).toEqual([])
  await vi.waitFor(() => expect(jobs).toEqual(['later']), { timeout: 5000 })
})

test('a worker that is held fetches nothing until it is released', async () => {
  const { backend, add, jobs, queue } = await startWorker(start())
  await add('one')
  backend.wake()
  expect(backend.hold()).toBe(false)
  // Several round trips, in which it would have fetched.
  for (const _ of [1, 2, 3]) expect(await queue.getJobState('one')).toBe('waiting')
  expect(jobs).toEqual([])
  backend.release()
  await vi.waitFor(() => expect(jobs).toEqual(['one']))
})

test('a worker that closes while it is held takes no job', async () => {
  const { worker, add, jobs, queue } = await startWorker(start())
  await add('one')
  await worker.close()
  expect(jobs).toEqual([])
  expect(await queue.getJobState('one')).toBe('waiting')
})
