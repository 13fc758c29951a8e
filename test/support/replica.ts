import { fileURLToPath } from 'node:url'
import { findRedis, startRedis, temporaryFolder } from '@wns-fanout/local'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis } from '@wns-fanout/state'
import type { TestStack } from './stack.ts'

export interface TestReplica {
  /** A connection to the primary. */
  readonly redis: RedisConnection
  /** Begin to copy the primary. */
  follow(): Promise<void>
  freeze(): void
  thaw(): void
  [Symbol.asyncDispose](): Promise<void>
}

/** A Redis that becomes a replica of the stack's Redis on `follow()`. */
export async function startReplica(stack: TestStack): Promise<TestReplica> {
  const folder = await temporaryFolder('wns-fanout-replica-')
  const { password, port } = new URL(stack.redisUrl)
  const server = await startRedis({
    redis: await findRedis({ cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)) }),
    dir: folder.path,
    persistence: 'none',
    extraArgs: ['--masterauth', password],
  })
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const own = connectRedis(server.url, { role: 'worker' })
  return {
    redis,
    async follow() {
      await redis.config('SET', 'repl-diskless-sync-delay', '0')
      await own.replicaof('127.0.0.1', port)
    },
    freeze: () => process.kill(server.pid, 'SIGSTOP'),
    thaw: () => process.kill(server.pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      process.kill(server.pid, 'SIGCONT')
      await Promise.all([closeRedis(redis), closeRedis(own)])
      await server.stop()
      await folder.remove()
    },
  }
}
