import { eventually } from '@wns-fanout/testing'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '@wns-fanout/local'
import { Redis } from 'ioredis'
import type { RedisServers } from './redis-server.ts'
import { ChaosRedis } from './redis-server.ts'

/** How long a node may be silent before the others call it dead. */
const NODE_TIMEOUT_MS = 2000
const SLOTS = 16_384

/**
 * A Redis Cluster of real servers that keep their ports and data across restarts. Its nodes announce to clients their
 * own ports, so no fault proxy stands in between.
 */
export class ChaosCluster implements RedisServers {
  readonly masters: readonly ClusterNode[]
  /** Of the first master. */
  readonly replica: ClusterNode | undefined
  #isFormed = false

  private constructor(masters: readonly ClusterNode[], replica: ClusterNode | undefined) {
    this.masters = masters
    this.replica = replica
  }

  static async make(
    dir: string,
    options: { readonly masters: number; readonly replica?: boolean },
  ): Promise<ChaosCluster> {
    const masters: ClusterNode[] = []
    for (let n = 0; n < options.masters; n += 1) masters.push(await nodeIn(join(dir, `node-${n + 1}`)))
    return new ChaosCluster(masters, options.replica === true ? await nodeIn(join(dir, 'replica')) : undefined)
  }

  get port(): number {
    return this.masters[0]?.port ?? 0
  }

  /** Of the whole cluster, whatever port is asked for. */
  url(_port: number): string {
    return `redis+cluster://chaos:chaos@${this.masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
  }

  /** Every node runs and every slot is served. */
  async start(): Promise<void> {
    for (const node of this.#nodes) await node.start()
    if (!this.#isFormed) await this.#form()
    this.#isFormed = true
    for (const node of this.#nodes) await this.#whole(node)
  }

  async kill(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()))
  }

  /** The master that serves a key now. */
  async masterOf(key: string): Promise<ClusterNode> {
    const slot = await this.slotOf(key)
    for (const node of this.#nodes) {
      if (!node.isRunning) continue
      const mine = await ask(node, async (redis) => {
        const [role] = (await redis.call('ROLE')) as unknown[]
        const slots = await redis.cluster('SLOTS')
        return (
          role === 'master' &&
          slots.some(([from, to, at]) => from <= slot && slot <= to && Number(at?.[1]) === node.port)
        )
      })
      if (mine) return node
    }
    throw new Error(`no node serves slot ${slot}`)
  }

  slotOf(key: string): Promise<number> {
    return ask(this.#first, (redis) => redis.cluster('KEYSLOT', key))
  }

  /**
   * Move a slot to another master as `redis-cli --cluster reshard` does it: a few keys at a time, while clients work.
   *
   * @param pauseMs between two handfuls of keys
   * @returns how many keys were moved
   */
  async moveSlot(slot: number, from: ChaosRedis, to: ChaosRedis, pauseMs: number): Promise<number> {
    const [fromId, toId] = [await idOf(from), await idOf(to)]
    await ask(to, (redis) => redis.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId))
    await ask(from, (redis) => redis.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId))
    const moved = await ask(from, async (redis) => {
      for (let count = 0; ;) {
        const keys = (await redis.call('CLUSTER', 'GETKEYSINSLOT', slot, 10)) as string[]
        if (keys.length === 0) return count
        const target = ['127.0.0.1', to.port, '', 0, 5000, 'AUTH2', 'chaos', 'chaos']
        await redis.call('MIGRATE', ...target, 'KEYS', ...keys).catch((error: unknown) => {
          throw new Error('the keys of the slot could not be moved', { cause: error })
        })
        count += keys.length
        await wait(pauseMs)
      }
    })
    for (const node of [to, from, ...this.masters.filter((one) => one !== to && one !== from)])
      await ask(node, (redis) => redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId))
    return moved
  }

  get #first(): ClusterNode {
    const found = this.#nodes.find((node) => node.isRunning)
    if (found === undefined) throw new Error('no node of the cluster runs')
    return found
  }

  get #nodes(): readonly ClusterNode[] {
    return this.replica === undefined ? this.masters : [...this.masters, this.replica]
  }

  async #form(): Promise<void> {
    const share = Math.ceil(SLOTS / this.masters.length)
    for (const [n, node] of this.masters.entries()) {
      const last = Math.min((n + 1) * share, SLOTS) - 1
      await ask(node, (redis) => redis.cluster('ADDSLOTSRANGE', n * share, last))
    }
    const [first] = this.masters
    if (first === undefined) throw new Error('a cluster needs a master')
    for (const node of this.#nodes) {
      if (node === first) continue
      await ask(first, (redis) => redis.call('CLUSTER', 'MEET', '127.0.0.1', node.port, node.busPort))
    }
    for (const node of this.#nodes) await this.#whole(node)
    if (this.replica === undefined) return
    const id = await idOf(first)
    await ask(this.replica, (redis) => redis.call('CLUSTER', 'REPLICATE', id))
    await eventually(
      'the replica to follow',
      () =>
        ask(first, async (redis) => {
          const [, , replicas] = (await redis.call('ROLE')) as [string, number, unknown[]]
          return replicas.length > 0 ? true : undefined
        }),
      30_000,
    )
  }

  /** It knows all nodes and a master for every slot. */
  async #whole(node: ChaosRedis): Promise<void> {
    await eventually(
      'the cluster to be whole',
      () =>
        ask(node, async (redis) => {
          const info = await redis.cluster('INFO')
          const knowsAll = info.includes(`cluster_known_nodes:${this.#nodes.length}\r\n`)
          return info.includes('cluster_state:ok') && knowsAll ? true : undefined
        }),
      30_000,
    )
  }
}

class ClusterNode extends ChaosRedis {
  /** Where the nodes talk to each other. */
  readonly busPort: number

  constructor(dir: string, port: number, busPort: number) {
    const options = {
      'cluster-enabled': 'yes',
      'cluster-announce-ip': '127.0.0.1',
      'cluster-port': String(busPort),
      'cluster-node-timeout': String(NODE_TIMEOUT_MS),
      masteruser: 'chaos',
      masterauth: 'chaos',
    }
    super(
      dir,
      port,
      Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    )
    this.busPort = busPort
  }
}

async function nodeIn(dir: string): Promise<ClusterNode> {
  return new ClusterNode(dir, await freePort(), await freePort())
}

function idOf(node: ChaosRedis): Promise<string> {
  return ask(node, (redis) => redis.cluster('MYID'))
}

/** One question to one node, past the cluster. */
async function ask<T>(node: ChaosRedis, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(node.url(node.port), { maxRetriesPerRequest: 3, lazyConnect: true })
  redis.on('error', () => {})
  try {
    await redis.connect()
    return await question(redis)
  } finally {
    redis.disconnect()
  }
}
