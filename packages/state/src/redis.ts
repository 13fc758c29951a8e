import type { RedisAddress } from '@wns-fanout/domain'
import { describeAddress, parseRedisUrl } from '@wns-fanout/domain'
import { Cluster, Redis } from 'ioredis'
import type { RedisAccess } from './redis-access.ts'
import { watchAbsence } from './redis-absence.ts'
import type { RedisRole, SingleOptions } from './redis-guard.ts'
import type { ReportError } from './redis-errors.ts'
import { reportErrors } from './redis-errors.ts'
import { GuardedCluster, GuardedRedis } from './redis-guard.ts'

export type { RedisRole }

/** One connection to Redis, or to all nodes of a Redis Cluster. */
export type RedisConnection = Redis | Cluster

export interface RedisConnectionOptions extends RedisAccess {
  /**
   * A `worker` waits for Redis without a limit: its scripts may be sent again, and the ledger holds what is certain. A
   * `producer` serves waiting callers, so it fails within seconds. A `ledger` command is answered on the connection it
   * was sent on, or fails, because `WAIT` covers the writes of one connection.
   */
  readonly role: RedisRole
  /**
   * Called with the errors of the connection, at most once a second for each text, and at most every five seconds with
   * a refusal that makes a worker wait. The error does not contain the failed command, whose arguments are secret.
   */
  readonly onError?: ReportError
  /** Called each time that Redis is reachable again, with the milliseconds for which it was not. */
  readonly onBack?: (awayMs: number) => void
}

/** Connect to the Redis of `url`; see {@link parseRedisUrl} for its forms. Reconnects until `disconnect()`. */
export function connectRedis(url: string, options: RedisConnectionOptions): RedisConnection {
  const address = parseRedisUrl(url)
  const connection = address.kind === 'cluster' ? openCluster(address, options) : openSingle(address, options)
  reportErrors(connection, options.onError)
  if (options.onBack !== undefined) watchAbsence(connection, options.onBack)
  return connection
}

/**
 * The connection of `ReplicatedScripts`. Throws for a cluster, where a write and the `WAIT` for it would have to reach
 * the same node.
 */
export function connectLedger(url: string, options: Omit<RedisConnectionOptions, 'role'>): Redis {
  const connection = connectRedis(url, { ...options, role: 'ledger' })
  if (connection instanceof Redis) return connection
  connection.disconnect()
  throw new TypeError(
    'WNS_FANOUT_DURABILITY=replicas:<n> needs one primary with replicas; REDIS_URL names a cluster. Use ' +
      'redis+sentinel://… (or redis://… of a managed service), or WNS_FANOUT_DURABILITY=async',
  )
}

export interface WaitForRedisOptions {
  readonly signal?: AbortSignal
  /** Called with one line for people at the first failure and at most every five seconds after it. */
  readonly onWaiting?: (line: string) => void
}

const CLOSED_AT_ONCE = 'the connection is closed before an answer (if this is a TLS port, use rediss://)'
const CLUSTER_AWAY = 'it does not serve all slots, or no node answers (start the masters that are away)'

export const WAITING_LINE_EVERY_MS = 5000

/** Resolves once Redis answers. Rejects with the signal's reason if it is aborted. */
export async function waitForRedis(
  connection: RedisConnection,
  { signal, onWaiting }: WaitForRedisOptions = {},
): Promise<void> {
  signal?.throwIfAborted()
  if (connection.status === 'ready') return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let reportedAtMs = -WAITING_LINE_EVERY_MS
  const onReady = () => resolve()
  const onEnd = () => reject(new Error('the connection to Redis was closed while waiting for it'))
  const onAbort = () => reject(signal?.reason)
  const onError = (error: Error) => {
    if (performance.now() - reportedAtMs < WAITING_LINE_EVERY_MS) return
    reportedAtMs = performance.now()
    onWaiting?.(
      `Redis at ${whereIs(connection)} cannot be used yet: ${reasonOf(error, hasTls(connection))}; trying again.`,
    )
  }
  // ioredis reports no error for a connection that the other side closes, nor for a cluster that is down.
  const onClose = () => onError(new Error(connection instanceof Cluster ? CLUSTER_AWAY : CLOSED_AT_ONCE))
  connection.on('ready', onReady).on('end', onEnd).on('error', onError).on('close', onClose)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await promise
  } finally {
    connection.off('ready', onReady).off('end', onEnd).off('error', onError).off('close', onClose)
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Close after pending commands, but within `timeoutMs`. May be called twice. */
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
          ...sentinelUser({ ...address.sentinel, ...options.sentinel }),
          sentinelRetryStrategy: reconnectDelayMs,
          // A Sentinel that accepts a connection and never answers is passed over.
          sentinelCommandTimeout: 3000,
        }
      : { host: first.host, port: first.port }
  return new GuardedRedis(
    { ...commonOptions(address, options.role), ...where, ...tls, db: address.db, retryStrategy: reconnectDelayMs },
    options.role,
  )
}

function sentinelUser({ username, password }: NonNullable<RedisAccess['sentinel']>): Partial<SingleOptions> {
  return {
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
  }
}

function openCluster(address: RedisAddress, options: RedisConnectionOptions): Cluster {
  const tls = address.tls ? { tls: { ...options.tls } } : {}
  return new GuardedCluster(
    address.hosts.map((host) => ({ ...host })),
    {
      redisOptions: { ...commonOptions(address, options.role), ...tls },
      clusterRetryStrategy: reconnectDelayMs,
      // No `clusterNodeRetryStrategy`: commands that wait for a lost node never settle if a refresh of the slots finds
      // another node in its place. Instead each command is sent again every 100 ms to the node that has the slot by
      // then. This also finds a node that returns, and waits for a slot that moves.
      maxRedirections: options.role === 'worker' ? Number.POSITIVE_INFINITY : PRODUCER_REDIRECTIONS,
      // Certificates name hosts; the addresses that nodes announce would not match them.
      ...(address.tls ? { dnsLookup: (name, callback) => callback(null, name) } : {}),
    },
    options.role,
  )
}

/** 100 ms apart, so within the 5 s limit of a producer's command. */
const PRODUCER_REDIRECTIONS = 30

function commonOptions(address: RedisAddress, role: RedisRole) {
  return {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    connectionName: `wns-fanout-${role}`,
    disableClientInfo: true,
    // The kernel would wait two minutes for an unreachable address.
    connectTimeout: 5000,
    // Detects a dead peer while no command waits.
    keepAlive: 10_000,
    ...optionsOf[role],
  } satisfies SingleOptions
}

function isReadOnly(error: Error): boolean {
  return error.message.startsWith('READONLY')
}

// A command without an answer for this long means a half-open connection. It must exceed the 10 s that a blocking
// command may wait.
const SOCKET_TIMEOUT_MS = 15_000
// A producer has no blocking command, and `WAIT` on the connection of the ledger takes two seconds at most.
const SHORT_SOCKET_TIMEOUT_MS = 7000

const optionsOf = {
  worker: {
    // A worker must not lose a checkpoint because Redis is away for a minute.
    maxRetriesPerRequest: null,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // All our scripts are idempotent: a resend gets the same answer and changes nothing.
    autoResendUnfulfilledCommands: true,
    // After a failover the old primary rejects writes: find the new one and send the command again.
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 2 : false),
  },
  producer: {
    // A caller gets its 503 within seconds, and may repeat the request since ids are deterministic.
    maxRetriesPerRequest: 2,
    commandTimeout: 5000,
    // Otherwise every command on a half-open connection would time out, until the kernel gives it up after minutes.
    socketTimeout: SHORT_SOCKET_TIMEOUT_MS,
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 2 : false),
  },
  ledger: {
    // Commands under way fail at once when the connection breaks; none is kept for the next connection.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    socketTimeout: SHORT_SOCKET_TIMEOUT_MS,
    reconnectOnError: (error: Error) => (isReadOnly(error) ? 1 : false),
  },
} as const satisfies Record<RedisRole, SingleOptions>

/** Doubles from 100 ms up to a second, so that a worker continues a second after Redis is back. */
function reconnectDelayMs(times: number): number {
  return Math.min(100 * 2 ** Math.min(times - 1, 10), 1000) + Math.random() * 200
}

/** The place of Redis, for people. */
export function whereIs(connection: RedisConnection): string {
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

function hasTls({ options }: RedisConnection): boolean {
  return (
    ('tls' in options && options.tls !== undefined) ||
    ('redisOptions' in options && options.redisOptions?.tls !== undefined)
  )
}

/** The innermost reason, for people; some wrapper errors of Node have no message. */
function reasonOf(error: Error, isTls: boolean): string {
  const inner =
    error instanceof AggregateError && error.errors[0] instanceof Error
      ? error.errors[0]
      : 'lastNodeError' in error && error.lastNodeError instanceof Error
        ? error.lastNodeError
        : error
  const text = inner.message
  const code = 'code' in inner ? String(inner.code) : ''
  // A port with TLS closes a connection without it. One without TLS takes the greeting for a command that continues.
  const ofKind: Readonly<Record<string, string>> = isTls
    ? { ETIMEDOUT: 'if this port has no TLS, use redis://', ECONNRESET: CLIENT_CERTIFICATE }
    : { ECONNRESET: 'if this is a TLS port, use rediss://' }
  const remedy = ofKind[code] ?? remedies.find(([pattern]) => pattern.test(text) || pattern.test(code))?.[1]
  const shown = text === '' ? inner.name : text
  return remedy === undefined ? shown : `${shown} (${remedy})`
}

const CLIENT_CERTIFICATE =
  'if Redis wants a client certificate, set WNS_FANOUT_REDIS_TLS_CERT_FILE and WNS_FANOUT_REDIS_TLS_KEY_FILE'

/** The first that fits the text or the code of an error. */
const remedies: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /Last error: (?:WRONGPASS|NOAUTH)/,
    'check WNS_FANOUT_SENTINEL_USERNAME and WNS_FANOUT_SENTINEL_PASSWORD_FILE: Sentinels have users of their own',
  ],
  [/Last error: ERR unknown command/, 'is this a Sentinel? Use redis://… for a server of its own'],
  [/^(?:WRONGPASS|NOAUTH)/, 'check user and password in REDIS_URL'],
  [/^NOPERM/, 'check the ACL of the Redis user'],
  [
    /wrong version number|packet length too long|EPROTO|SSL_WRONG/i,
    'is this a TLS port? Use redis:// for one without TLS',
  ],
  [
    /self-signed|SELF_SIGNED|UNABLE_TO_(?:VERIFY|GET)|unable to (?:verify|get)/i,
    'set WNS_FANOUT_REDIS_TLS_CA_FILE to the certificate authority of Redis',
  ],
  [/ERR_TLS_CERT_ALTNAME_INVALID|altnames/i, 'use a host name in REDIS_URL that the certificate of Redis contains'],
  [/certificate required|handshake failure|ERR_SSL_.*CERTIFICATE/i, CLIENT_CERTIFICATE],
]
