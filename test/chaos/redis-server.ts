import { execFile } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { LocalRedis, RedisCommand } from '@wns-fanout/local'
import { findRedis, startRedis } from '@wns-fanout/local'
import { root } from './root.ts'

/** What holds the data of a system: one Redis, or several that are one. */
export interface RedisServers {
  /** Where the proxies of a system lead to. */
  readonly port: number
  /** What a process connects to that reaches Redis, or a proxy in front of it, by this port. */
  url(port: number): string
  start(): Promise<void>
  /** Complete when no process is left. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/** A Redis that keeps its port, its user and its data from one life to the next. */
export class ChaosRedis implements RedisServers {
  readonly port: number
  readonly dir: string
  #running: LocalRedis | undefined
  /** The server's first password is of one run only, so its clients are a user of their own. */
  readonly #user = ['--user', 'chaos', 'on', '>chaos', '~*', '&*', '+@all']

  readonly #args: readonly string[]

  /** @param args more options of the server, in all its lives */
  constructor(dir: string, port: number, args: readonly string[] = []) {
    this.dir = dir
    this.port = port
    this.#args = args
  }

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  url(port: number): string {
    return `redis://chaos:chaos@127.0.0.1:${port}`
  }

  async start(extraArgs: readonly string[] = []): Promise<void> {
    if (this.#running !== undefined) return
    this.#running = await startRedis({
      redis: unlimited(await findRedis({ cacheDir: root('.cache') })),
      dir: this.dir,
      port: this.port,
      persistence: 'aof',
      extraArgs: [...this.#user, '--enable-debug-command', 'local', ...this.#args, ...extraArgs],
    })
  }

  /**
   * From now on no file may grow beyond `bytes`: what it writes fails as on a full disk, with EFBIG for ENOSPC.
   * Undefined is room again.
   */
  async limitFiles(bytes: number | undefined): Promise<void> {
    const pid = this.#running?.pid
    if (pid === undefined) throw new Error('Redis does not run, so it has no limits')
    // The soft limit alone: a user other than root could not raise the other one again.
    await promisify(execFile)('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:`])
  }

  /** Resolves when the process has ended by itself; rejects when it has not within `timeoutMs`. */
  async ended(timeoutMs = 20_000): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    const late = new AbortController()
    const timer = wait(timeoutMs, 'late' as const, { signal: late.signal }).catch(() => 'ended' as const)
    const outcome = await Promise.race([running.exited, timer])
    late.abort()
    if (outcome === 'late') throw new Error(`Redis was to end and did not within ${timeoutMs} ms`)
    this.#running = undefined
  }

  /** It answers nothing until `thaw`, and its connections stay open. */
  freeze(): void {
    if (this.#running !== undefined) process.kill(this.#running.pid, 'SIGSTOP')
  }

  thaw(): void {
    if (this.#running !== undefined) process.kill(this.#running.pid, 'SIGCONT')
  }

  /** Complete when the process is gone. */
  async kill(): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    this.#running = undefined
    process.kill(running.pid, 'SIGKILL')
    await running.exited
  }

  /** In order, with everything on disk. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }
}

/** A limit on the size of files is to be an error of the write, as a full disk is, and not the end of the process. */
function unlimited(redis: RedisCommand): RedisCommand {
  return {
    ...redis,
    command: '/bin/sh',
    args: ['-c', 'trap "" XFSZ; exec "$@"', 'sh', redis.command, ...redis.args],
  }
}
