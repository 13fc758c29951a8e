import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LocalRedis } from '@wns-fanout/local'
import { findRedis, freePort, startRedis, temporaryFolder } from '@wns-fanout/local'
import { eventually } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { sentinelsKnowEachOther, startSentinelProcesses, stopSentinelProcesses } from './sentinel-processes.ts'

export const MASTER = 'main'

export interface SentinelGroup extends AsyncDisposable {
  /** `redis+sentinel://…`, without the user of the Sentinels. */
  readonly url: string
  /** Of the Sentinels themselves. */
  readonly sentinelPassword: string
  readonly sentinelPorts: readonly number[]
  readonly folder: string
  /** The port of the server that is the primary now, as the first Sentinel has it. */
  primaryPort(): Promise<number>
  /** Make the replica the primary. */
  failOver(): Promise<void>
  /** Names of the clients of the nth Sentinel. */
  clientsOf(n: number): Promise<readonly string[]>
}

/** A primary, a replica and three Sentinels that want a password of their own. */
export async function startSentinels(): Promise<SentinelGroup> {
  const folder = await temporaryFolder('wns-fanout-sentinel-')
  const found = await findRedis({ cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)) })
  const sentinelPassword = 'sentinel-secret'
  const password = 'redis-secret'
  const servers: LocalRedis[] = []
  for (const name of ['one', 'two']) {
    const dir = join(folder.path, name)
    servers.push(await startRedis({ redis: found, dir, persistence: 'aof' }))
  }
  const [primary, replica] = servers as [LocalRedis, LocalRedis]
  // A failover makes each of them a replica of the other, so both have one password.
  for (const { url } of servers) {
    const connection = new Redis(url)
    await connection.config('SET', 'masterauth', password)
    await connection.config('SET', 'requirepass', password)
    await connection.quit()
  }
  const follower = at(replica.port, password)
  await follower.replicaof('127.0.0.1', primary.port)
  await follower.quit()
  const sentinelPorts = [await freePort(), await freePort(), await freePort()]
  const children = await startSentinelProcesses({
    redis: found,
    dir: folder.path,
    ports: sentinelPorts,
    group: MASTER,
    primaryPort: primary.port,
    lines: [
      `requirepass ${sentinelPassword}`,
      `sentinel sentinel-pass ${sentinelPassword}`,
      `sentinel auth-pass ${MASTER} ${password}`,
      `sentinel down-after-milliseconds ${MASTER} 5000`,
    ],
  })
  const sentinels = sentinelPorts.map((port) => at(port, sentinelPassword))
  for (const sentinel of sentinels) sentinel.on('error', () => {})
  const [first] = sentinels as [Redis]
  await sentinelsKnowEachOther(async (n) => await sentinels[n]?.call('SENTINEL', 'MASTER', MASTER), {
    sentinels: sentinels.length,
    replicas: 1,
  })
  const primaryPort = async () =>
    Number(((await first.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)) as string[])[1])
  return {
    url: `redis+sentinel://:${password}@${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(',')}/${MASTER}`,
    sentinelPassword,
    sentinelPorts,
    folder: folder.path,
    primaryPort,
    async failOver() {
      const before = await primaryPort()
      await first.call('SENTINEL', 'FAILOVER', MASTER)
      await eventually('the failover', async () => (await primaryPort()) !== before || undefined, 60_000)
    },
    async clientsOf(n) {
      const list = (await sentinels[n]?.client('LIST')) as string
      return [...list.matchAll(/ name=(\S+)/g)].map(([, name = '']) => name)
    },
    async [Symbol.asyncDispose]() {
      for (const sentinel of sentinels) sentinel.disconnect()
      await stopSentinelProcesses(children)
      for (const server of servers) await server.stop()
      await folder.remove()
    },
  }
}

function at(port: number, password: string): Redis {
  return new Redis({ host: '127.0.0.1', port, password })
}
