import { fileURLToPath } from 'node:url'
import { findRedis, startRedis, temporaryFolder } from '@wns-fanout/local'
import type { RedisConnection } from '@wns-fanout/state'
import { closeRedis, connectRedis } from '@wns-fanout/state'
import type { TcpProxy } from '@wns-fanout/testing'
import { startTcpProxy, until } from '@wns-fanout/testing'
import type { TestStack } from './stack.ts'

export interface TestReplica {
  /** A connection to the primary. */
  readonly redis: RedisConnection
  /** A connection to the replica itself. */
  readonly own: RedisConnection
  readonly port: number
  /** Begin to copy the primary, and resolve when everything is copied. */
  follow(): Promise<void>
  /** From now on the replica hears nothing of the primary. */
  cutOff(): void
  /** Make the replica a primary of its own. */
  promote(): Promise<void>
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
    // It may have to take the place of the primary.
    extraArgs: ['--masterauth', password, '--appendonly', 'yes'],
  })
  const link: TcpProxy = await startTcpProxy(Number(port))
  const redis = connectRedis(stack.redisUrl, { role: 'worker' })
  const own = connectRedis(server.url, { role: 'worker' })
  await own.config('SET', 'requirepass', password)
  return {
    redis,
    own,
    port: server.port,
    async follow() {
      await redis.config('SET', 'repl-diskless-sync-delay', '0')
      await own.replicaof('127.0.0.1', link.port)
      await until('the replica to have a copy', async () => (await own.info('replication')).includes('link_status:up'))
    },
    cutOff() {
      link.retarget(server.port)
      link.silence()
    },
    async promote() {
      await own.replicaof('NO', 'ONE')
    },
    freeze: () => process.kill(server.pid, 'SIGSTOP'),
    thaw: () => process.kill(server.pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      process.kill(server.pid, 'SIGCONT')
      await Promise.all([closeRedis(redis), closeRedis(own)])
      await link.close()
      await server.stop()
      await folder.remove()
    },
  }
}
