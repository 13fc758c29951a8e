import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { findRedis, startRedis, temporaryFolder } from '@wns-fanout/local'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The one Redis of a test run; every test uses keys with a prefix of its own. */
    redisUrl: string
    /** A Redis Cluster of one node: enough to refuse what a cluster refuses. */
    redisClusterUrl: string
    /** Two more for `replicated-scripts.system.test.ts` alone, which makes one the replica of the other. */
    redisPairUrls: readonly [string, string]
  }
}

/** Starts one Redis for all tests of a run: `inject('redisUrl')`. It is gone with the run, whatever ends it. */
export default async function globalRedis(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporaryFolder('wns-fanout-test-')
  const redis = await findRedis({ cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)) })
  const server = await startRedis({ redis, dir: folder.path, persistence: 'none' })
  const node = await startRedis({
    redis,
    dir: join(folder.path, 'cluster'),
    persistence: 'none',
    extraArgs: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
  })
  const startOfPair = (name: string) =>
    startRedis({
      redis,
      dir: join(folder.path, name),
      persistence: 'none',
      extraArgs: ['--repl-diskless-sync-delay', '0'],
    })
  const pair = await Promise.all([startOfPair('primary'), startOfPair('replica')])
  const connection = new Redis(node.url)
  await connection.cluster('ADDSLOTSRANGE', 0, 16_383)
  await connection.quit()
  project.provide('redisUrl', server.url)
  project.provide('redisClusterUrl', node.url.replace('redis://', 'redis+cluster://'))
  project.provide('redisPairUrls', [pair[0].url, pair[1].url])
  return async () => {
    await Promise.all([server, node, ...pair].map((each) => each.stop()))
    await folder.remove()
  }
}
