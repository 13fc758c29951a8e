import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { findRedis, freePort } from '@wns-fanout/local'
import { eventually } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { sentinelsKnowEachOther, startSentinelProcesses, stopSentinelProcesses } from '../support/sentinel-processes.ts'
import type { RedisServers } from './redis-server.ts'
import { ChaosRedis } from './redis-server.ts'
import { root } from './root.ts'

const GROUP = 'main'
const SENTINELS = 3
/** How long a primary may be silent before the Sentinels call it dead. */
const DOWN_AFTER_MS = 1000

/**
 * A primary, its replicas and three Sentinels, all real servers that keep their ports. Clients ask the Sentinels for
 * the primary, so no fault proxy stands in between.
 */
export class ChaosSentinels implements RedisServers {
  readonly #servers: readonly ChaosRedis[]
  readonly #ports: readonly number[]
  readonly #dir: string
  #sentinels: ChildProcess[] = []

  private constructor(dir: string, servers: readonly ChaosRedis[], ports: readonly number[]) {
    this.#dir = dir
    this.#servers = servers
    this.#ports = ports
  }

  static async make(dir: string, options: { readonly replicas: number }): Promise<ChaosSentinels> {
    const servers: ChaosRedis[] = []
    const credentials = ['--masteruser', 'chaos', '--masterauth', 'chaos', '--repl-diskless-sync-delay', '0']
    for (let n = 0; n <= options.replicas; n += 1)
      servers.push(new ChaosRedis(join(dir, `server-${n + 1}`), await freePort(), credentials))
    const ports: number[] = []
    for (let n = 0; n < SENTINELS; n += 1) ports.push(await freePort())
    return new ChaosSentinels(dir, servers, ports)
  }

  get port(): number {
    return this.#servers[0]?.port ?? 0
  }

  /** Of the whole group, whatever port is asked for. */
  url(_port: number): string {
    const hosts = this.#ports.map((port) => `127.0.0.1:${port}`).join(',')
    return `redis+sentinel://chaos:chaos@${hosts}/${GROUP}`
  }

  /** Every server runs, and all replicas follow the primary. */
  async start(): Promise<void> {
    for (const server of this.#servers) await server.start()
    if (this.#sentinels.length === 0) await this.#form()
    await this.#inStep()
  }

  async kill(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()))
  }

  async stop(): Promise<void> {
    await stopSentinelProcesses(this.#sentinels.splice(0))
    for (const server of this.#servers) server.thaw()
    await Promise.all(this.#servers.map((server) => server.stop()))
  }

  /** The primary as the Sentinels have it. */
  async primary(): Promise<ChaosRedis> {
    const [, port] = (await this.#ask('GET-MASTER-ADDR-BY-NAME')) as string[]
    const found = this.#servers.find((server) => server.port === Number(port))
    if (found === undefined) throw new Error('the Sentinels name a primary that is not of this group')
    return found
  }

  /** Resolves to the new primary once the Sentinels have one instead of `old`. */
  async promotedInsteadOf(old: ChaosRedis): Promise<ChaosRedis> {
    return await eventually(
      'a replica to be promoted',
      async () => {
        const now = await this.primary()
        return now === old ? undefined : now
      },
      60_000,
    )
  }

  /** A planned failover: the old primary lives on, as a replica. */
  async failOver(): Promise<void> {
    const old = await this.primary()
    await eventually(
      'the Sentinels to begin a failover',
      async () => {
        await this.#ask('FAILOVER').catch((error: unknown) => {
          // Until they know the replicas, or while the last failover is not over.
          if (!/NOGOODSLAVE|INPROG/.test(String(error))) throw error
          return undefined
        })
        return (await this.primary()) === old ? undefined : true
      },
      60_000,
    )
    await this.#inStep()
  }

  async #form(): Promise<void> {
    const [first, ...replicas] = this.#servers
    for (const { port } of replicas) await on(port, (redis) => redis.replicaof('127.0.0.1', first?.port ?? 0))
    this.#sentinels = await startSentinelProcesses({
      redis: await findRedis({ cacheDir: root('.cache') }),
      dir: this.#dir,
      ports: this.#ports,
      group: GROUP,
      primaryPort: this.port,
      lines: [
        `sentinel auth-user ${GROUP} chaos`,
        `sentinel auth-pass ${GROUP} chaos`,
        `sentinel down-after-milliseconds ${GROUP} ${DOWN_AFTER_MS}`,
        `sentinel failover-timeout ${GROUP} 10000`,
      ],
    })
    await sentinelsKnowEachOther((n) => this.#ask('MASTER', n), { sentinels: SENTINELS, replicas: replicas.length })
  }

  /** Every replica follows the primary, and has everything that was written so far. */
  async #inStep(): Promise<void> {
    await eventually(
      'the replicas to be in step',
      async () => {
        const { port } = await this.primary()
        const inStep = await on(port, async (redis) => {
          await redis.set('chaos:in-step', '1')
          return await redis.wait(this.#servers.length - 1, 200)
        }).catch(() => 0)
        return inStep === this.#servers.length - 1 || undefined
      },
      60_000,
    )
  }

  /** @param n which Sentinel is asked, from 0 */
  async #ask(command: string, n = 0): Promise<unknown> {
    const port = this.#ports[n] ?? 0
    const sentinel = new Redis({ host: '127.0.0.1', port })
    sentinel.on('error', () => {})
    try {
      return await sentinel.call('SENTINEL', command, GROUP)
    } finally {
      sentinel.disconnect()
    }
  }
}

async function on<T>(port: number, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: '127.0.0.1', port, username: 'chaos', password: 'chaos' })
  redis.on('error', () => {})
  try {
    return await act(redis)
  } finally {
    redis.disconnect()
  }
}
