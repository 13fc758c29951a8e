import type { ClusterOptions, Command, RedisOptions } from 'ioredis'
import { Cluster, Redis } from 'ioredis'

/** What a connection is for; see `connectRedis`. */
export type RedisRole = 'worker' | 'producer' | 'ledger'

/** Map replies keep their flat shape, on which ioredis builds its types. */
export type SingleOptions = RedisOptions & { replyMapping?: 'legacy' }
export type NodesOptions = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions?: NonNullable<ClusterOptions['redisOptions']> & { replyMapping?: 'legacy' }
}

/** A Redis connection whose errors do not contain the arguments of the command. */
export class GuardedRedis extends Redis {
  readonly #role: RedisRole

  constructor(options: SingleOptions, role: RedisRole) {
    super(options)
    this.#role = role
    failFastAfterReady(this, role)
  }

  override sendCommand(...args: Parameters<Redis['sendCommand']>): ReturnType<Redis['sendCommand']> {
    hideArguments(args[0])
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
    hideArguments(args[0])
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

/** ioredis attaches a failed command and its arguments to the error, and errors are logged. */
function hideArguments(command: Command): void {
  if (guarded.has(command)) return
  guarded.add(command)
  const { reject } = command
  command.reject = (error: Error) => reject.call(command, withoutCommand(error))
}

export function withoutCommand(error: Error): Error {
  if ('command' in error) delete error.command
  return error
}
