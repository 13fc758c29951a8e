import type { LocalRedis } from '@wns-fanout/local'
import { findRedis, startRedis } from '@wns-fanout/local'
import { root } from './root.ts'

/** A Redis that keeps its port, its user and its data from one life to the next. */
export class ChaosRedis {
  readonly port: number
  readonly dir: string
  #running: LocalRedis | undefined
  /** The server's first password is of one run only, so its clients are a user of their own. */
  readonly #user = ['--user', 'chaos', 'on', '>chaos', '~*', '&*', '+@all']

  constructor(dir: string, port: number) {
    this.dir = dir
    this.port = port
  }

  url(port: number): string {
    return `redis://chaos:chaos@127.0.0.1:${port}`
  }

  async start(extraArgs: readonly string[] = []): Promise<void> {
    if (this.#running !== undefined) return
    this.#running = await startRedis({
      redis: await findRedis({ cacheDir: root('.cache') }),
      dir: this.dir,
      port: this.port,
      persistence: 'aof',
      extraArgs: [...this.#user, '--enable-debug-command', 'local', ...extraArgs],
    })
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
