import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Contender, LoopOptions } from './contender.ts'
import { BODY, connector, expectOk, headersOf, HOST, pathOf } from './contender.ts'
import { Pool } from 'undici'

const QUEUE = 'naive'
const AT_ONCE = 1000

/** One job of BullMQ for each recipient, and `Pool.request` in its handler. The jobs are added before. */
export function bullmq(options: LoopOptions): Contender {
  const { connections, token, redisUrl } = options
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null })
  const queue = new Queue<{ readonly n: number }>(QUEUE, { connection })
  const each = new Pool(`https://${HOST}`, { allowH2: false, pipelining: 1, connect: connector(options), connections })
  const headers = headersOf(token)
  return {
    async prepare(posts) {
      for (let from = 0; from < posts; from += AT_ONCE) {
        const count = Math.min(AT_ONCE, posts - from)
        const jobs = Array.from({ length: count }, (_, at) => ({
          name: 'post',
          data: { n: from + at },
          opts: { removeOnComplete: true },
        }))
        await queue.addBulk(jobs)
      }
    },
    post: (posts) =>
      new Promise((resolve, reject) => {
        let done = 0
        const worker = new Worker<{ readonly n: number }>(
          QUEUE,
          async ({ data }) => {
            const path = pathOf('bullmq', data.n)
            const answer = await each.request({ method: 'POST', path, headers, body: BODY })
            await answer.body.dump()
            expectOk(answer.statusCode)
          },
          { connection, concurrency: connections },
        )
        worker.on('completed', () => {
          done += 1
          if (done === posts) worker.close().then(resolve, reject)
        })
        worker.on('failed', (_job, error) => reject(error))
      }),
    async close() {
      await queue.close()
      await each.close()
      await connection.quit()
    },
  }
}
