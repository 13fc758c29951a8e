import { Cluster } from 'ioredis'
import type { RedisConnection, WaitForRedisOptions } from './redis.ts'
import { waitForRedis } from './redis.ts'

/** Something about this Redis that endangers campaigns. */
export interface RedisProblem {
  readonly code: 'version' | 'volatile' | 'evicting'
  /** False where the operator accepted it (`allowVolatile`): to be warned of, not refused. */
  readonly fatal: boolean
  /** For people: what was found and what to set. */
  readonly detail: string
}

const MIN_MAJOR_VERSION = 7

/** Is this Redis fit to hold campaigns? Asks by INFO alone, since CONFIG may be forbidden. An empty list is a yes. */
export async function checkRedis(
  connection: RedisConnection,
  { allowVolatile = false }: { readonly allowVolatile?: boolean } = {},
): Promise<RedisProblem[]> {
  const problems = new Map<string, RedisProblem>()
  for (const info of await infoOfEach(connection)) {
    for (const problem of problemsOf(info, allowVolatile)) problems.set(problem.detail, problem)
  }
  return [...problems.values()]
}

/**
 * Resolves once Redis answers and is fit to hold campaigns; otherwise throws one error that says all that has to be
 * changed. `onWarning` gets lines for people: about the wait, and about what the operator has accepted.
 */
export async function waitForFitRedis(
  connection: RedisConnection,
  {
    allowVolatile,
    signal,
    onWarning,
  }: Required<Pick<WaitForRedisOptions, 'signal'>> & {
    readonly allowVolatile: boolean
    readonly onWarning: (line: string) => void
  },
): Promise<void> {
  await waitForRedis(connection, { signal, onWaiting: onWarning })
  const problems = await checkRedis(connection, { allowVolatile })
  for (const { fatal, detail } of problems) if (!fatal) onWarning(detail)
  const fatal = problems.filter((problem) => problem.fatal)
  if (fatal.length > 0) throw new Error(fatal.map(({ detail }) => detail).join(' '))
}

/**
 * Why Redis refuses all writes now although it answers, for people: it could not write its append-only file. It tries
 * again by itself. Undefined when all is well.
 */
export async function diskProblem(connection: RedisConnection): Promise<string | undefined> {
  const infos = await infoOfEach(connection)
  return infos.some((info) => info.get('aof_last_write_status') === 'err')
    ? 'Redis cannot write its append-only file and refuses writes (MISCONF): make room on its disk; it goes on by itself'
    : undefined
}

/** Share of `maxmemory` in use, 0 to 1, of the fullest node; 0 where no limit is set. */
export async function memoryShare(connection: RedisConnection): Promise<number> {
  let share = 0
  for (const info of await infoOfEach(connection)) {
    const used = Number(info.get('used_memory') ?? 0)
    const limit = Number(info.get('maxmemory') ?? 0)
    if (limit > 0) share = Math.max(share, used / limit)
  }
  return share
}

function problemsOf(info: ReadonlyMap<string, string>, allowVolatile: boolean): RedisProblem[] {
  const problems: RedisProblem[] = []
  const version = info.get('redis_version') ?? 'unknown'
  // Valkey keeps answering 7.2.4 here, for clients that look.
  if (!(Number.parseInt(version, 10) >= MIN_MAJOR_VERSION))
    problems.push({
      code: 'version',
      fatal: true,
      detail: `Redis is version ${version}, and ${MIN_MAJOR_VERSION}.0 or newer is needed; upgrade Redis.`,
    })
  if (info.get('aof_enabled') !== '1')
    problems.push({
      code: 'volatile',
      fatal: !allowVolatile,
      detail:
        'Redis has no append-only file, so a restart forgets who was already notified; set "appendonly yes" and ' +
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

async function infoOfEach(connection: RedisConnection): Promise<ReadonlyMap<string, string>[]> {
  const nodes = connection instanceof Cluster ? connection.nodes('master') : [connection]
  const texts: string[] = []
  for (const node of nodes) texts.push(await node.info())
  return texts.map(parseInfo)
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':')
      return colon === -1 || line.startsWith('#') ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const]
    }),
  )
}
