import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Child } from '@wns-fanout/local'
import { startChild } from '@wns-fanout/local'
import type { FaultProxy } from './fault-proxy.ts'
import { startFaultProxy } from './fault-proxy.ts'
import { root } from './root.ts'

export interface ChaosProcessOptions {
  readonly name: string
  /** From the root of the repository. */
  readonly script: string
  /** The same in all its lives. */
  readonly env: Readonly<Record<string, string>>
  /** Of its log. */
  readonly folder: string
  /** The URL of Redis behind a port: the process gets that of a proxy of its own. */
  readonly redis: { readonly port: number; url(port: number): string }
}

/** Number of exits before it was ready after which a start is given up. */
const START_ATTEMPTS = 5
const START_AGAIN_AFTER_MS = 500

/** The API or a worker through all its lives, and its way to Redis. Its acts are to be called one after another. */
export class ChaosProcess {
  readonly name: string
  readonly proxy: FaultProxy
  readonly logFile: string
  readonly #script: string
  readonly #env: Readonly<Record<string, string>>
  #child: Child | undefined
  /** Set when the present child has exited and nothing here waited for it. */
  #exit: string | undefined
  #ready: { readonly api?: string; readonly ops: string } | undefined
  lives = 0
  /** Each exit that nothing here caused, in words. A process has to live through every fault of its surroundings. */
  readonly deaths: string[] = []

  private constructor({ name, script, env, folder, redis }: ChaosProcessOptions, proxy: FaultProxy) {
    this.name = name
    this.proxy = proxy
    this.logFile = join(folder, `${name}.log`)
    this.#script = script
    this.#env = { ...env, REDIS_URL: redis.url(proxy.port) }
  }

  /** It is not started yet. */
  static async make(options: ChaosProcessOptions): Promise<ChaosProcess> {
    return new ChaosProcess(options, await startFaultProxy(options.redis.port))
  }

  get isRunning(): boolean {
    return this.#child !== undefined
  }

  /** Of its present life. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** The URL of its ops port in this life. */
  get ops(): string {
    return this.#ready?.ops ?? ''
  }

  /** The URL of the API that it serves. */
  get url(): string {
    return this.#ready?.api ?? ''
  }

  /** @param extra more environment, for this life only */
  async start(extra: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#buryTheDead()
    if (this.#child !== undefined) return
    this.lives += 1
    const child = await startChild({
      name: this.name,
      script: root(this.#script),
      env: { ...this.#env, ...extra },
      logFile: this.logFile,
    })
    this.#child = child
    this.#exit = undefined
    guard(child)
    child.exited.then(
      ({ code, signal }) => {
        if (this.#child === child) this.#exit = `${this.name} ended by itself: code ${code}, signal ${signal}`
      },
      () => {},
    )
    this.#ready = (await child.ready) as { api?: string; ops: string }
  }

  /** Starts it as an orchestrator does, which starts a process again when it exits before it is ready. */
  async startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.start()
        return
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error
        await wait(START_AGAIN_AFTER_MS)
      }
    }
  }

  async kill(): Promise<void> {
    this.#buryTheDead()
    const child = this.#child
    if (child === undefined) return
    this.#signal('SIGKILL')
    await this.ended()
  }

  freeze(): void {
    this.#signal('SIGSTOP')
  }

  thaw(): void {
    this.#signal('SIGCONT')
  }

  /** SIGTERM, as an orchestrator does it; resolves to the exit code, null when it had to be killed. */
  async terminate(graceMs = 30_000): Promise<number | null> {
    this.#buryTheDead()
    const child = this.#child
    if (child === undefined) return 0
    const { code } = await child.stop({ graceMs })
    this.#child = undefined
    return code
  }

  /** Resolves when the process has ended by itself; after `timeoutMs` it is killed, and this rejects. */
  async ended(timeoutMs = 60_000): Promise<NodeJS.Signals | null> {
    const child = this.#child
    if (child === undefined) return null
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      this.#signal('SIGKILL')
    }, timeoutMs)
    const { signal } = await child.exited
    clearTimeout(timer)
    this.#child = undefined
    if (isLate) throw new Error(`${this.name} was to end and did not within ${timeoutMs} ms`)
    return signal
  }

  /** Its way to Redis is free and it runs, whatever was done to it. */
  async repair(): Promise<void> {
    this.proxy.set({ kind: 'pass' })
    this.thaw()
    await this.startAgain()
  }

  async dispose(): Promise<void> {
    this.thaw()
    this.proxy.set({ kind: 'pass' })
    await this.terminate(5000)
    await this.proxy.close()
  }

  #buryTheDead(): void {
    if (this.#exit === undefined || this.#child === undefined) return
    this.deaths.push(this.#exit)
    this.#child = undefined
  }

  #signal(name: NodeJS.Signals): void {
    try {
      if (this.#child !== undefined) process.kill(this.#child.pid, name)
    } catch {
      // It has ended by itself.
    }
  }
}

/** A frozen process cannot see the end of its parent, so the code that freezes it must end it. */
const guarded = new Set<number>()
function guard({ pid, exited }: Child): void {
  if (!process.listeners('exit').includes(endGuarded)) process.on('exit', endGuarded)
  guarded.add(pid)
  exited.then(
    () => guarded.delete(pid),
    () => {},
  )
}
function endGuarded(): void {
  for (const pid of guarded) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It is gone already.
    }
  }
}
