import type { SecureContextOptions } from 'node:tls'
import type { RedisAddress } from '@wns-fanout/domain'
import { describeAddress, parseRedisUrl } from '@wns-fanout/domain'
import type { ClusterOptions, Command, RedisOptions } from 'ioredis'
import { Cluster, Redis } from 'ioredis'

/** One connection to Redis, or to all nodes of a Redis Cluster. */
export type RedisConnection = Redis | Cluster

/**
 * A `worker` waits for Redis as long as it takes, because its scripts are idempotent under resend and the ledger says
 * what is certain. A `producer` serves callers that wait: it fails within seconds instead. A `ledger` has everything
 * answered on the connection it was sent on, or not at all: whoever asks `WAIT` has to know which one that is.
 */
export type RedisRole = 'worker' | 'producer' | 'ledger'

export interface RedisConnectionOptions {
  readonly role: RedisRole
  /** For `rediss://`: certificate authorities and a client certificate, as in `tls.connect`. */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'passphrase'>
  /** Gets every connection error, without the command that failed: its arguments are channel URIs and secrets. */
  readonly onError?: (error: Error) => void
}

/** Connect to what `url` names; see {@link parseRedisUrl} for its forms. Reconnects for ever until `disconnect()`. */
export function connectRedis(url: string, options: RedisConnectionOptions): RedisConnection {
  const address = parseRedisUrl(url)
  const connection = address.kind === 'cluster' ? openCluster(address, options) : openSingle(address, options)
  const report = options.onError
  // Without a listener ioredis writes errors to stderr, past the logger.
  connection.on('error', (error: Error) => report?.(withoutCommand(error)))
  return connection
}

/**
 * The connection of `ReplicatedScripts`. Throws for a cluster, where the writes of an app and the question about them
 * would have to find the same node.
 */
export function connectLedger(url: string, options: Omit<RedisConnectionOptions, 'role'>): Redis {
  const connection = connectRedis(url, { ...options, role: 'ledger' })
  if (connection instanceof Redis) return connection
  connection.disconnect()
  throw new TypeError(
    'WNS_FANOUT_DURABILITY=replicas:<n> needs one primary with replicas, and REDIS_URL names a cluster; use ' +
      'redis+sentinel://… (or redis://… of a managed service), or WNS_FANOUT_DURABILITY=async',
  )
}

export interface WaitForRedisOptions {
  readonly signal?: AbortSignal
  /** Called with one line for people at the first failure and at most every five seconds after it. */
  readonly onWaiting?: (line: string) => void
}

const WAITING_LINE_EVERY_MS = 5000

/** Resolves once Redis answers; tries again until then. Rejects with the signal's reason when it is aborted. */
export async function waitForRedis(
  connection: RedisConnection,
  { signal, onWaiting }: WaitForRedisOptions = {},
): Promise<void> {
  signal?.throwIfAborted()
  if (connection.status === 'ready') return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let saidAtMs = -WAITING_LINE_EVERY_MS
  const onReady = () => resolve()
  const onEnd = () => reject(new Error('the connection to Redis was closed while waiting for it'))
  const onAbort = () => reject(signal?.reason)
  const onError = (error: Error) => {
    if (performance.now() - saidAtMs < WAITING_LINE_EVERY_MS) return
    saidAtMs = performance.now()
    onWaiting?.(`Redis at ${whereIs(connection)} cannot be used yet: ${reasonOf(error)}; trying again.`)
  }
  connection.on('ready', onReady).on('end', onEnd).on('error', onError)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    connection.off('ready', onReady).off('end', onEnd).off('error', onError)
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Close politely, within `timeoutMs`; then by force. May be called twice. */
export async function closeRedis(connection: RedisConnection, timeoutMs = 2000): Promise<void> {
  if (connection.status === 'end') return
  if (connection.status !== 'ready') {
    connection.disconnect()
    return
  }
  const timer = setTimeout(() => connection.disconnect(), timeoutMs)
  try {
    await connection.quit()
  } catch {
    connection.disconnect()
  } finally {
    clearTimeout(timer)
  }
}

function openSingle(address: RedisAddress, options: RedisConnectionOptions): Redis {
  const [first = { host: '127.0.0.1', port: 6379 }] = address.hosts
  const tls = address.tls ? { tls: { ...options.tls } } : {}
  const where: SingleOptions =
    address.kind === 'sentinel'
      ? {
          sentinels: address.hosts.map((host) => ({ ...host })),
          ...(address.masterName === undefined ? {} : { name: address.masterName }),
          ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: { ...options.tls } } : {}),
          // A failover is told by the Sentinels at once instead of by the next timeout.
          failoverDetector: true,
          sentinelRetryStrategy: reconnectDelayMs,
        }
      : { host: first.host, port: first.port }
  return new GuardedRedis(
    { ...commonOptions(address, options.role), ...where, ...tls, db: address.db, retryStrategy: reconnectDelayMs },
    options.role,
  )
}

function openCluster(address: RedisAddress, options: RedisConnectionOptions): Cluster {
  const tls = address.tls ? { tls: { ...options.tls } } : {}
  return new GuardedCluster(
    address.hosts.map((host) => ({ ...host })),
    {
      redisOptions: { ...commonOptions(address, options.role), ...tls },
      clusterRetryStrategy: reconnectDelayMs,
      // A node that is lost is not waited for (no `clusterNodeRetryStrategy`): commands that wait for a node are lost for
      // ever when a refresh of the slots finds that another one took its place. Instead each is sent again every 100 ms to
      // whoever has the slot by then, and that is also how a node that comes back is found. A slot that moves is waited
      // for in the same way.
      maxRedirections: options.role === 'worker' ? Number.POSITIVE_INFINITY : PRODUCER_REDIRECTIONS,
      // Certificates name hosts; the addresses that nodes announce would not match them.
      ...(address.tls ? { dnsLookup: (name, callback) => callback(null, name) } : {}),
    },
    options.role,
  )
}

/** A hundred milliseconds apart: within the five seconds of a producer's command. */
const PRODUCER_REDIRECTIONS = 30

function commonOptions(address: RedisAddress, role: RedisRole) {
  return {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    connectionName: `wns-fanout-${role}`,
    disableClientInfo: true,
    // An unreachable address is tried again soon instead of after the kernel's two minutes.
    connectTimeout: 5000,
    // A dead peer behind a silent network is noticed even while no command waits.
    keepAlive: 10_000,
    ...optionsOf[role],
  } satisfies SingleOptions
}

function isReadOnly(error: Error): boolean {
  return error.message.startsWith('READONLY')
}

// Half-open detection: a command without any answer for so long means a dead connection. It must be more than the ten
// seconds that a blocking command waits at the most.
const SOCKET_TIMEOUT_MS = 15_000

const optionsOf = {
  worker: {
    // A worker may not forget a checkpoint because Redis was away for a minute.
    maxRetriesPerRequest: null,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // Every script of ours answers a resend with the same and changes nothing.
    autoResendUnfulfilledCommands: true,
    // After a failover the old master refuses writes: find the new one and send the command again.
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 2 : false),
  },
  producer: {
    // A caller gets its 503 in seconds; ids are deterministic, so it may simply ask again.
    maxRetriesPerRequest: 2,
    commandTimeout: 5000,
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 2 : false),
  },
  ledger: {
    // Whatever is under way when the connection breaks fails at once, and nothing is kept for the next connection.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    socketTimeout: SOCKET_TIMEOUT_MS,
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 1 : false),
  },
} as const satisfies Record<RedisRole, SingleOptions>

/** Doubling from 100 ms, never above a second: a worker is back at work a second after Redis is. */
function reconnectDelayMs(times: number): number {
  return Math.min(100 * 2 ** Math.min(times - 1, 10), 1000) + Math.random() * 200
}

/** Map replies keep their flat shape, on which ioredis builds its types. */
type SingleOptions = RedisOptions & { replyMapping?: 'legacy' }
type NodesOptions = Omit<ClusterOptions, 'redisOptions'> & {
  redisOptions?: NonNullable<ClusterOptions['redisOptions']> & { replyMapping?: 'legacy' }
}

/** A Redis whose errors do not show what was sent. */
class GuardedRedis extends Redis {
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

class GuardedCluster extends Cluster {
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

/** Until the first connection commands wait for it; afterwards a producer's caller is told at once that Redis is away. */
function failFastAfterReady(connection: RedisConnection, role: RedisRole): void {
  if (role !== 'producer') return
  connection.once('ready', () => {
    connection.options.enableOfflineQueue = false
  })
}

const guarded = new WeakSet<Command>()

/** ioredis hangs a failed command and its arguments on the error, and errors are logged. */
function hideArguments(command: Command): void {
  if (guarded.has(command)) return
  guarded.add(command)
  const reject = command.reject
  command.reject = (error: Error) => reject.call(command, withoutCommand(error))
}

function withoutCommand(error: Error): Error {
  if ('command' in error) delete error.command
  return error
}

function whereIs(connection: RedisConnection): string {
  if (connection instanceof Cluster) return 'the cluster'
  const { host, port, sentinels, name } = connection.options
  if (sentinels && sentinels.length > 0)
    return `Sentinel group ${name} (${sentinels.map((one) => `${one.host}:${one.port}`).join(', ')})`
  return describeAddress({
    kind: 'single',
    tls: false,
    hosts: [{ host: host ?? '', port: port ?? 6379 }],
    db: 0,
  })
}

/** The innermost reason, in words; some wrapped errors of Node have no message of their own. */
function reasonOf(error: Error): string {
  const inner =
    error instanceof AggregateError && error.errors[0] instanceof Error
      ? error.errors[0]
      : 'lastNodeError' in error && error.lastNodeError instanceof Error
        ? error.lastNodeError
        : error
  const text = inner.message
  if (/^(WRONGPASS|NOAUTH)/.test(text)) return `${text} (check user and password in REDIS_URL)`
  if (text.startsWith('NOPERM')) return `${text} (check the ACL of the Redis user)`
  return text === '' ? inner.name : text
}
