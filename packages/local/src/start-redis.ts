import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { dieWithParent } from './die-with-parent.ts'
import { freePort } from './free-port.ts'
import { pingRedis } from './ping-redis.ts'
import { type Exit, describeExit, endChild, exitOf } from './processes.ts'
import { tailOf } from './tail.ts'
import type { RedisCommand } from './unpack-redis.ts'

export interface StartRedisOptions {
  /** The result of `findRedis`. */
  readonly redis: RedisCommand
  /** Folder of the data, and of the log unless `logFile` is set; created (mode 0700) if missing. */
  readonly dir: string
  /** Default 0: any free port. */
  readonly port?: number
  /** `aof` survives a restart and loses at most a second when the machine crashes; `none` keeps nothing. */
  readonly persistence: 'aof' | 'none'
  /** Default: half of the memory of this machine or container. */
  readonly maxmemoryBytes?: number
  /** Default `redis.log` in `dir`. */
  readonly logFile?: string
  /** More options of redis-server, for example `['--loglevel', 'debug']`. */
  readonly extraArgs?: readonly string[]
  /** Time limit to load the data, in milliseconds; default 60000. */
  readonly readyTimeoutMs?: number
}

export interface LocalRedis {
  /** Contains the random password of this run. */
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly logFile: string
  /** Stops the server in order, with its data on disk. Idempotent. */
  stop(options?: { graceMs?: number }): Promise<Exit>
  readonly exited: Promise<Exit>
}

const PORT_ATTEMPTS = 5

/**
 * A Redis server on 127.0.0.1 with a random password that ends with this process, even by SIGKILL. Resolves when it
 * serves; throws an error with the last lines of its log when it does not.
 */
export async function startRedis(options: StartRedisOptions): Promise<LocalRedis> {
  const { port = 0 } = options
  if (port !== 0) return await startOn(port, options)
  // Another process may take the free port before Redis listens on it.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(await freePort(), options)
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt >= PORT_ATTEMPTS) throw error
    }
  }
}

class PortTakenError extends Error {}

async function startOn(port: number, options: StartRedisOptions): Promise<LocalRedis> {
  const { redis, extraArgs = [], readyTimeoutMs = 60_000 } = options
  const dir = resolve(options.dir)
  const logFile = resolve(options.logFile ?? join(dir, 'redis.log'))
  const password = randomBytes(24).toString('base64url')
  // The data contains channel addresses, but Redis creates files that everyone can read.
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await mkdir(dirname(logFile), { recursive: true })

  // Redis logs to a file: a pipe through this process would block Redis while this process is busy.
  const log = await open(logFile, 'a', 0o600)
  const logStart = (await log.stat()).size
  const guard = dieWithParent(redis.command, [...redis.args, '-', ...extraArgs])
  const child = spawn(guard.command, guard.args, {
    cwd: dir,
    env: { ...process.env, ...redis.env },
    stdio: ['pipe', log.fd, log.fd],
    // Ctrl-C in a terminal goes to the whole group; Redis must outlive the processes that still write to it.
    detached: true,
  })
  const exited = exitOf(child)
  await log.close()
  giveConfig(child, configOf(port, password, dir, options))
  guard.watch(child)

  const outcome = await waitUntilReady(port, password, exited, readyTimeoutMs)
  if (outcome !== 'ready') {
    const exit = await endChild(child, exited, 1000)
    const what = outcome === 'ended' ? describeExit(exit) : `no answer within ${readyTimeoutMs} ms`
    throw startError(redis.command, port, what, await tailOf(logFile, logStart))
  }
  let stopped: Promise<Exit> | undefined
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    port,
    pid: child.pid ?? 0,
    logFile,
    stop: ({ graceMs = 10_000 } = {}) => (stopped ??= endChild(child, exited, graceMs)),
    exited,
  }
}

// The options go through stdin, so that the password is in no argument list and no file.
function giveConfig(child: ChildProcess, config: string): void {
  // It may have ended already; its exit explains more than the broken pipe.
  child.stdin?.on('error', () => {})
  child.stdin?.end(config)
}

function configOf(port: number, password: string, dir: string, options: StartRedisOptions): string {
  const { persistence, maxmemoryBytes = defaultMaxmemoryBytes() } = options
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    'protected-mode yes',
    `requirepass ${password}`,
    `dir ${JSON.stringify(dir)}`,
    'save ""',
    `appendonly ${persistence === 'aof' ? 'yes' : 'no'}`,
    'appendfsync everysec',
    `maxmemory ${maxmemoryBytes}`,
    // Eviction would lose campaigns silently, while a write error is visible.
    'maxmemory-policy noeviction',
    // Registry hashes have up to 512 channels; compact hashes take about half the memory.
    'hash-max-listpack-entries 512',
    'hash-max-listpack-value 160',
    'daemonize no',
    'logfile ""',
  ]
  return `${lines.join('\n')}\n`
}

function defaultMaxmemoryBytes(): number {
  const containerBytes = process.constrainedMemory()
  const bytes = containerBytes > 0 && containerBytes < totalmem() ? containerBytes : totalmem()
  return Math.floor(bytes / 2)
}

async function waitUntilReady(
  port: number,
  password: string,
  exited: Promise<Exit>,
  timeoutMs: number,
): Promise<'ready' | 'ended' | 'late'> {
  const deadlineMs = performance.now() + timeoutMs
  const ended = (async (): Promise<'ended'> => {
    await exited
    return 'ended'
  })()
  while (performance.now() < deadlineMs) {
    // Another server on the port would reject the password, or not answer while our Redis exits.
    const answer = await Promise.race([ended, pingRedis(port, password)])
    if (answer === 'ready' || answer === 'ended') return answer
    await Promise.race([ended, wait(10)])
  }
  return 'late'
}

function startError(command: string, port: number, what: string, log: string): Error {
  if (/Address already in use/i.test(log)) {
    return new PortTakenError(
      `Redis cannot listen on port ${port} of 127.0.0.1, which another process uses; ` +
        'choose another port, or 0 for a free one',
    )
  }
  return new Error(`Redis did not start (${command}, port ${port}): ${what}. Its log ends with:\n${log || '(nothing)'}`)
}
