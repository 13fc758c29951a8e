import type { ClusterOptions, Command, RedisOptions } from 'ioredis'
import { Cluster, Redis } from 'ioredis'
import { refusalOf } from './redis-refusals.ts'
import { followFailovers } from './sentinel-watch.ts'

/** What a connection is for; see `connectRedis`. */
export type RedisRole = 'worker' | 'producer' | 'ledger'

/** Map replies keep their flat shape, on which ioredis builds its types. */
export type SingleOptions = RedisOptions & { replyMapping?: 'legacy' }
export type NodesOptions = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions?: NonNullable<ClusterOptions['redisOptions']> & { replyMapping?: 'legacy' }
}

/** A Redis connection whose errors do not contain the arguments of the command. A refusal makes a worker wait. */
export class GuardedRedis extends Redis {
  readonly #role: RedisRole

  constructor(options: SingleOptions, role: RedisRole) {
    super(options)
    this.#role = role
    failFastAfterReady(this, role)
    // The Sentinels report a failover at once, before the next timeout.
    if ((options.sentinels ?? []).length > 0) followFailovers(this, options)
  }

  override sendCommand(...args: Parameters<Redis['sendCommand']>): ReturnType<Redis['sendCommand']> {
    guard(this, args[0], this.#role)
    return super.sendCommand(...args)
  }

  /** A copy is guarded too: BullMQ makes its blocking connection this way. */
  override duplicate(override?: Partial<RedisOptions>): Redis {
    return new GuardedRedis(
      { ...this.options, enableOfflineQueue: true, ...override, replyMapping: 'legacy' },
      this.#role,
    )
  }
}

/** The same for a cluster. */
export class GuardedCluster extends Cluster {
  readonly #role: RedisRole

  constructor(nodes: { host: string; port: number }[], options: NodesOptions, role: RedisRole) {
    super(nodes, options)
    this.#role = role
    failFastAfterReady(this, role)
  }

  override sendCommand(...args: Parameters<Cluster['sendCommand']>): ReturnType<Cluster['sendCommand']> {
    guard(this, args[0], this.#role)
    return super.sendCommand(...args)
  }

  override duplicate(nodes: { host: string; port: number }[] = [], options: Partial<ClusterOptions> = {}): Cluster {
    const known = this.nodes('all').map((node) => ({
      host: node.options.host ?? '127.0.0.1',
      port: node.options.port ?? 6379,
    }))
    return new GuardedCluster(
      nodes.length > 0 ? nodes : known,
      {
        ...this.options,
        enableOfflineQueue: true,
        ...options,
        redisOptions: { ...this.options.redisOptions, ...options.redisOptions, replyMapping: 'legacy' },
      },
      this.#role,
    )
  }
}

/** Commands wait for the first connection. After it, a command of a producer fails at once while Redis is away. */
function failFastAfterReady(connection: Redis | Cluster, role: RedisRole): void {
  if (role !== 'producer') return
  connection.once('ready', () => {
    connection.options.enableOfflineQueue = false
  })
}

const guarded = new WeakSet<Command>()

/** Time until a refused command is sent again: doubles, and adds a random part so that workers do not come together. */
const FIRST_REFUSED_MS = 100
const MAX_REFUSED_MS = 1000

/**
 * ioredis attaches a failed command and its arguments to the error, and errors are logged.
 *
 * A Redis that refuses writes is treated like one that is away: the command of a worker is sent again until Redis takes
 * it. So a batch stays in hand, and neither our loops nor those of BullMQ repeat the refused command without a pause.
 * This reports the refusal as an error of the connection.
 */
function guard(connection: Redis | Cluster, command: Command, role: RedisRole): void {
  if (guarded.has(command)) return
  guarded.add(command)
  const { reject } = command
  let refusedMs = FIRST_REFUSED_MS
  command.reject = (error: Error) => {
    const refusal = role === 'worker' && maySendAgain(connection, command) ? refusalOf(error) : undefined
    if (refusal === undefined) return reject.call(command, withoutCommand(error))
    connection.emit('refused', refusal)
    setTimeout(() => connection.sendCommand(command), refusedMs * (1 + Math.random()))
    refusedMs = Math.min(2 * refusedMs, MAX_REFUSED_MS)
  }
}

// A handshake starts over with its connection. A command of a transaction means nothing without the others.
function maySendAgain(connection: Redis | Cluster, command: Command): boolean {
  return connection.status === 'ready' && !command.inTransaction && !/^(multi|exec|discard)$/i.test(command.name)
}

export function withoutCommand(error: Error): Error {
  if ('command' in error) delete error.command
  return error
}
