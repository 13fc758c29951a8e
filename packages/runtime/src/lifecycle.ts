import type { Logger } from './logger.ts'

/** A step of the shutdown; `signal` is aborted at the deadline, when the step has no time left. */
export type StopStep = (signal: AbortSignal) => void | Promise<void>

export interface StopReport {
  readonly reason: string
  readonly clean: boolean
}

export interface Lifecycle {
  /** Aborted as soon as stopping begins; ends loops and waits. */
  readonly signal: AbortSignal
  /** Registers a step. Steps run one by one, the last registered first. */
  onStop(name: string, step: StopStep): void
  /** Runs the steps once. All calls return the same promise, which never rejects. */
  stop(reason: string): Promise<StopReport>
  /** Stops at SIGTERM and SIGINT, then exits: 0 if all steps succeeded, else 1. A second signal exits with 1. */
  installSignals(): void
}

// The time of each remaining step after the deadline: enough to close a socket, too little to wait for a peer.
const LAST_CHANCE_MS = 250

/** The shutdown of a process. Steps that fail or exceed the common deadline are logged; the others still run. */
export function createLifecycle(logger: Logger, { deadlineMs = 25_000 }: { deadlineMs?: number } = {}): Lifecycle {
  const steps: { readonly name: string; readonly step: StopStep }[] = []
  const stopping = new AbortController()
  let stopped: Promise<StopReport> | undefined
  let exitCode = 0

  async function runSteps(reason: string): Promise<StopReport> {
    const startedMs = performance.now()
    logger.info({ reason, steps: steps.length }, 'stopping')
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(), deadlineMs)
    let clean = true
    for (let next = steps.pop(); next !== undefined; next = steps.pop()) {
      const leftMs = startedMs + deadlineMs - performance.now()
      clean = (await runStep(next.name, next.step, Math.max(leftMs, LAST_CHANCE_MS), deadline.signal)) && clean
    }
    clearTimeout(timer)
    logger.info({ reason, clean, durationMs: Math.round(performance.now() - startedMs) }, 'stopped')
    return { reason, clean }
  }

  async function runStep(name: string, step: StopStep, limitMs: number, signal: AbortSignal): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => resolve('late'), limitMs)
    })
    try {
      if ((await Promise.race([(async () => await step(signal))(), late])) !== 'late') return true
      logger.error({ step: name, deadlineMs }, 'a step did not stop before the deadline')
    } catch (error) {
      logger.error({ step: name, err: error }, 'a step failed to stop')
    } finally {
      clearTimeout(timer)
    }
    return false
  }

  function stop(reason: string): Promise<StopReport> {
    stopped ??= (async () => {
      stopping.abort(new Error(`stopping: ${reason}`))
      return await runSteps(reason)
    })()
    return stopped
  }

  async function stopAndExit(reason: string): Promise<void> {
    const { clean } = await stop(reason)
    process.exit(clean ? exitCode : 1)
  }

  function onSignal(name: NodeJS.Signals): void {
    if (stopping.signal.aborted) {
      logger.warn({ signal: name }, 'second signal: exiting at once')
      process.exit(1)
    }
    void stopAndExit(name)
  }

  // After such an error the process may be stuck, so it ends; other workers take over its batches.
  function onCrash(kind: string, error: unknown): void {
    logger.fatal({ err: error instanceof Error ? error : new Error(`thrown: ${typeof error}`) }, kind)
    exitCode = 1
    void stopAndExit(kind)
  }

  return {
    signal: stopping.signal,
    onStop(name, step) {
      steps.push({ name, step })
    },
    stop,
    installSignals() {
      process.on('SIGTERM', onSignal)
      process.on('SIGINT', onSignal)
      process.on('uncaughtException', (error) => onCrash('uncaughtException', error))
      process.on('unhandledRejection', (error) => onCrash('unhandledRejection', error))
    },
  }
}
