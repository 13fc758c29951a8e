import { setTimeout as wait } from 'node:timers/promises'
import type { Exit } from './processes.ts'

/** A Redis, a child process, or anything else that is stopped once. */
export interface Part {
  readonly exited?: Promise<Exit>
  stop(): Promise<unknown>
}

export interface RestartPolicy<P> {
  readonly afterMs: number
  /** Called with each restarted part. */
  readonly onRestart?: (part: P, exit: Exit) => void | Promise<void>
}

export interface PartEnded {
  readonly name: string
  readonly exit: Exit
}

export interface Supervisor {
  /**
   * Starts a part now and stops it with the others. With `restart` it restarts whenever it ends on its own; a failed
   * restart is repeated after the same time. Rejects, without any leftovers, when the first start fails.
   */
  add<P extends Part>(name: string, start: () => Promise<P>, options?: { restart?: RestartPolicy<P> }): Promise<P>
  /** Resolves when a part without restart has ended on its own, so that the caller can stop the others. */
  readonly failed: Promise<PartEnded>
  /** Stops all parts one by one, the last added first. Idempotent; never rejects. */
  stop(): Promise<void>
}

export interface SupervisorOptions {
  /** Receives failures and restarts as text. */
  readonly log?: (message: string) => void
}

/** Starts the parts of a system in order, keeps them running, and stops them in the opposite order. */
export function createSupervisor({ log = () => {} }: SupervisorOptions = {}): Supervisor {
  const stopping = new AbortController()
  const members: { readonly name: string; end(): Promise<void> }[] = []
  let stopped: Promise<void> | undefined
  const { promise: failed, resolve: fail } = Promise.withResolvers<PartEnded>()

  async function keepRunning<P extends Part>(
    name: string,
    first: P,
    start: () => Promise<P>,
    restart: RestartPolicy<P> | undefined,
    onStarted: (part: P) => void,
  ): Promise<void> {
    for (let part = first; part.exited !== undefined;) {
      const exit = await part.exited
      if (stopping.signal.aborted) return
      if (restart === undefined) {
        fail({ name, exit })
        return
      }
      log(`${name} ended (${exit.signal ?? `code ${exit.code}`}); restarting in ${restart.afterMs} ms`)
      const next = await startAgain(name, start, restart.afterMs)
      if (next === undefined) return
      part = next
      onStarted(part)
      // Stopped during the restart: `stop` waits for this function and then stops the new part.
      if (stopping.signal.aborted) return
      await report(name, restart, part, exit)
    }
  }

  async function startAgain<P extends Part>(
    name: string,
    start: () => Promise<P>,
    afterMs: number,
  ): Promise<P | undefined> {
    while (await pausedUnlessStopping(afterMs)) {
      try {
        return await start()
      } catch (error) {
        log(`restarting ${name} failed: ${messageOf(error)}`)
      }
    }
    return undefined
  }

  async function pausedUnlessStopping(ms: number): Promise<boolean> {
    await wait(ms, undefined, { signal: stopping.signal }).catch(() => {})
    return !stopping.signal.aborted
  }

  async function report<P extends Part>(name: string, restart: RestartPolicy<P>, part: P, exit: Exit): Promise<void> {
    try {
      await restart.onRestart?.(part, exit)
    } catch (error) {
      log(`${name} restarted, but: ${messageOf(error)}`)
    }
  }

  async function stopAll(): Promise<void> {
    stopping.abort()
    for (let member = members.pop(); member !== undefined; member = members.pop()) {
      try {
        await member.end()
      } catch (error) {
        log(`stopping ${member.name} failed: ${messageOf(error)}`)
      }
    }
  }

  return {
    failed,
    async add(name, start, { restart } = {}) {
      if (stopping.signal.aborted) throw new Error(`${name} was not started, because everything stops`)
      let current = await start()
      const first = current
      // Stopped during the start: `stop` has missed this part.
      if (stopping.signal.aborted) {
        await first.stop()
        throw new Error(`${name} was stopped again, because everything stops`)
      }
      const watching = keepRunning(name, first, start, restart, (part) => {
        current = part
      })
      members.push({
        name,
        async end() {
          const known = current
          await known.stop()
          await watching
          // A restart in progress has ended, and its part is the current one.
          if (current !== known) await current.stop()
        },
      })
      return first
    },
    stop: () => (stopped ??= stopAll()),
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
