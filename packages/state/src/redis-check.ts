import { Cluster } from 'ioredis'
import type { RedisConnection, WaitForRedisOptions } from './redis.ts'
import type { Keys } from './keys.ts'
import { onceRedisServes } from './redis-away.ts'
import { ofNode } from './redis-errors.ts'
import { refusalOf } from './redis-refusals.ts'
import { missingRights } from './rights.ts'

/** A property of this Redis that endangers campaigns. */
export interface RedisProblem {
  readonly code: 'kind' | 'version' | 'volatile' | 'evicting' | 'rights'
  /** False if the operator accepted it (`allowVolatile`): a warning instead of an error. */
  readonly fatal: boolean
  /** For people: what was found and what to set. */
  readonly detail: string
}

/** The fields of `INFO`. */
export type RedisInfo = ReadonlyMap<string, string>

const MIN_MAJOR_VERSION = 7

/** The problems of this Redis. Uses INFO alone, since CONFIG may be forbidden. */
export async function checkRedis(
  connection: RedisConnection,
  { allowVolatile = false, keys }: { readonly allowVolatile?: boolean; readonly keys?: Keys } = {},
): Promise<RedisProblem[]> {
  const infos = await infoOfEach(connection)
  // Nothing else can be asked of a server of another kind.
  const other = infos.map((info) => otherKind(info, connection)).find((detail) => detail !== undefined)
  if (other !== undefined) return [{ code: 'kind', fatal: true, detail: other }]
  const rights = keys === undefined ? undefined : await missingRights(connection, keys)
  if (rights !== undefined) return [{ code: 'rights', fatal: true, detail: rights }]
  const problems = new Map<string, RedisProblem>()
  for (const info of infos) {
    for (const problem of problemsOf(info, allowVolatile)) problems.set(problem.detail, problem)
  }
  return [...problems.values()]
}

/**
 * Resolves once Redis answers and has no fatal problem; otherwise throws one error with every change that is needed.
 * `onWarning` is called with lines for people: about the wait, and about accepted problems.
 */
export async function waitForFitRedis(
  connection: RedisConnection,
  {
    keys,
    allowVolatile,
    signal,
    onWarning,
  }: Required<Pick<WaitForRedisOptions, 'signal'>> & {
    readonly keys: Keys
    readonly allowVolatile: boolean
    readonly onWarning: (line: string) => void
  },
): Promise<void> {
  const check = () => checkRedis(connection, { allowVolatile, keys })
  const problems = await onceRedisServes(connection, check, { signal, onWaiting: onWarning })
  for (const { fatal, detail } of problems) if (!fatal) onWarning(detail)
  const fatal = problems.filter((problem) => problem.fatal)
  if (fatal.length > 0) throw new Error(fatal.map(({ detail }) => detail).join(' '))
}

/** Whether Redis rejects all writes because it could not write its append-only file. It recovers by itself. */
export function isDiskFull(infos: readonly RedisInfo[]): boolean {
  return infos.some((info) => info.get('aof_last_write_status') === 'err')
}

/**
 * Why nothing can be written to this Redis now, for people: its disk is full, its user lacks a right, or it refuses
 * writes. Undefined if all is well. A Redis that does not answer rejects the promise.
 */
export async function writeProblem(connection: RedisConnection, keys: Keys): Promise<string | undefined> {
  // Asked first: with a full disk Redis refuses the writes by which the rights are probed.
  if (isDiskFull(await infoOfEach(connection))) {
    return (
      'Redis cannot write its append-only file and rejects writes (MISCONF). ' +
      'Free space on its disk; it then resumes.'
    )
  }
  try {
    return await missingRights(connection, keys)
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal === undefined) throw error
    return refusal
  }
}

/** The warning about spare replicas for the Redis of `connection`; undefined if there is none. */
export async function replicaWarning(connection: RedisConnection, required: number): Promise<string | undefined> {
  if (required === 0) return undefined
  const [info] = await infoOfEach(connection)
  return spareReplicas(Number(info?.get('connected_slaves') ?? 0), required)
}

/**
 * Why a failover may lose credit that `required` replicas acknowledged, for people: another replica may be promoted.
 * While the old primary still runs, the replicas that are not promoted acknowledge in its place. Undefined if every
 * replica has to acknowledge, or none.
 */
export function spareReplicas(replicas: number, required: number): string | undefined {
  if (required === 0 || replicas <= required) return undefined
  return (
    `Redis has ${replicas} replicas, and WNS_FANOUT_DURABILITY=replicas:${required} waits for fewer: a failover may ` +
    'promote one without the last credit, and recipients may then be notified twice; set ' +
    `WNS_FANOUT_DURABILITY=replicas:${replicas}`
  )
}

/** Share of `maxmemory` in use, 0 to 1, of the fullest node; 0 if no limit is set. */
export async function memoryShare(connection: RedisConnection): Promise<number> {
  return memoryShareOf(await infoOfEach(connection))
}

/** The same from what `infoOfEach` read. */
export function memoryShareOf(infos: readonly RedisInfo[]): number {
  let share = 0
  for (const info of infos) {
    const used = Number(info.get('used_memory') ?? 0)
    const limit = Number(info.get('maxmemory') ?? 0)
    if (limit > 0) share = Math.max(share, used / limit)
  }
  return share
}

/** For people: why this server is not of the kind that `REDIS_URL` names. */
function otherKind(info: RedisInfo, connection: RedisConnection): string | undefined {
  if (connection instanceof Cluster) return undefined
  if (info.get('redis_mode') === 'sentinel')
    return 'REDIS_URL names a Sentinel as if it were Redis; use redis+sentinel://<host>:<port>/<master>.'
  return info.get('cluster_enabled') === '1'
    ? 'REDIS_URL names one node of a cluster; use redis+cluster://<host>:<port>, so that all nodes are found.'
    : undefined
}

function problemsOf(info: RedisInfo, allowVolatile: boolean): RedisProblem[] {
  const problems: RedisProblem[] = []
  const version = info.get('redis_version') ?? 'unknown'
  // Valkey reports 7.2.4 here, for clients that check.
  if (!(Number.parseInt(version, 10) >= MIN_MAJOR_VERSION))
    problems.push({
      code: 'version',
      fatal: true,
      detail: `Redis must be version ${MIN_MAJOR_VERSION}.0 or newer; found ${version}. Upgrade Redis.`,
    })
  if (info.get('aof_enabled') !== '1')
    problems.push({
      code: 'volatile',
      fatal: !allowVolatile,
      detail:
        'Redis has no append-only file, so a restart loses which recipients were notified; set "appendonly yes" and ' +
        '"appendfsync everysec" (or WNS_FANOUT_ALLOW_VOLATILE_REDIS=1 to accept that loss).',
    })
  const policy = info.get('maxmemory_policy') ?? 'unknown'
  if (policy !== 'noeviction')
    problems.push({
      code: 'evicting',
      fatal: !allowVolatile,
      detail:
        `Redis may evict our keys when it is full (maxmemory-policy ${policy}); set "maxmemory-policy noeviction" ` +
        '(or WNS_FANOUT_ALLOW_VOLATILE_REDIS=1 to accept that loss).',
    })
  return problems
}

/** What `INFO` shows of each master. */
export async function infoOfEach(connection: RedisConnection): Promise<RedisInfo[]> {
  if (!(connection instanceof Cluster)) return [parseInfo(await connection.info())]
  return Promise.all(
    connection.nodes('master').map(async (node) => {
      try {
        return parseInfo(await node.info())
      } catch (error) {
        throw error instanceof Error ? ofNode(error, `${node.options.host}:${node.options.port}`) : error
      }
    }),
  )
}

function parseInfo(text: string): RedisInfo {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':')
      return colon === -1 || line.startsWith('#') ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}
