import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type Probe, firstLine, thisMachine } from './probe.ts'
import { type RedisCommand, unpackRedis } from './unpack-redis.ts'

export interface FindRedisOptions {
  /** Folder for an unpacked server, reused later. */
  readonly cacheDir: string
  readonly log?: (message: string) => void
  readonly probe?: Probe
}

// The registry relies on the names of hash settings that Redis 7.0 introduced.
const OLDEST_MAJOR = 7

/**
 * A Redis (or Valkey) server of version 7 or later: one on PATH, or else Debian's packages unpacked into `cacheDir`
 * without an installation. Throws an error that lists what to install when there is neither.
 */
export async function findRedis({ cacheDir, log, probe = thisMachine() }: FindRedisOptions): Promise<RedisCommand> {
  const refused: string[] = []
  for (const command of await onPath(probe.path, ['redis-server', 'valkey-server'])) {
    const found: RedisCommand = { command, args: [], env: {}, origin: 'path' }
    const problem = await unusable(found, probe)
    if (problem === undefined) return found
    refused.push(problem)
    log?.(problem)
  }
  const unpacked = await unpackRedis({
    cacheDir,
    probe,
    log: log ?? (() => {}),
    unusable: async (found) => await unusable(found, probe),
  })
  if ('command' in unpacked) return unpacked
  throw new Error(notFound([...refused, unpacked.problem]))
}

/** The reason why the server cannot be used; undefined when it can. */
async function unusable({ command, args, env }: RedisCommand, probe: Probe): Promise<string | undefined> {
  const { code, stdout, stderr } = await probe.run(command, [...args, '--version'], { env, timeoutMs: 10_000 })
  const version = /\bv=(\d+)\.[\w.-]+/.exec(stdout)
  if (code !== 0 || version === null) {
    return `${command} does not run: ${firstLine(stderr) || firstLine(stdout) || `exit code ${code}`}`
  }
  if (Number(version[1]) >= OLDEST_MAJOR) return undefined
  return `${command} is version ${version[0].slice(2)}; version ${OLDEST_MAJOR} or later is needed`
}

function notFound(reasons: readonly string[]): string {
  return [
    'No Redis server was found on this machine.',
    ...reasons.map((reason) => `  - ${reason}`),
    'Install one (version 7 or later):',
    '  Debian, Ubuntu   sudo apt-get install redis-server',
    '  Fedora, RHEL     sudo dnf install valkey    (or redis)',
    '  macOS            brew install redis',
    'or, for "pnpm start", use one that runs already:',
    '  docker run -d -p 127.0.0.1:6379:6379 redis:7 redis-server --appendonly yes --maxmemory-policy noeviction',
    '  REDIS_URL=redis://127.0.0.1:6379 pnpm start',
  ].join('\n')
}

async function onPath(path: string, names: readonly string[]): Promise<string[]> {
  const candidates = names.flatMap((name) =>
    path
      .split(delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => join(folder, name)),
  )
  const found = await Promise.all(candidates.map(async (file) => ((await isExecutable(file)) ? [file] : [])))
  return found.flat()
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
