import { setImmediate, setTimeout } from 'node:timers/promises'

/** A question whose answer is not there yet while it is `undefined` or `false`. */
export type Ask<T> = () => Promise<T | undefined | false> | T | undefined | false

const INTERVAL_MS = 10
/** Conditions inside this process mostly hold within a few turns of the event loop. */
const EVERY_TURN_MS = 30
const TIMEOUT_MS = 30_000

/**
 * Asks every turn of the event loop, and after 30 ms every 10 ms. Resolves to the first answer that is neither
 * `undefined` nor `false`. Rejects with the error of `ask`, or when there is no answer within `timeoutMs` (default
 * 30 s); the error then names `what` was awaited, by default the source of `ask`.
 */
export async function until<T>(ask: Ask<T>, timeoutMs?: number): Promise<T>
export async function until<T>(what: string, ask: Ask<T>, timeoutMs?: number): Promise<T>
export async function until<T>(
  first: string | Ask<T>,
  second?: Ask<T> | number,
  third: number = TIMEOUT_MS,
): Promise<T> {
  if (typeof first === 'function') return await poll(first.toString(), first, Number(second ?? TIMEOUT_MS))
  if (typeof second !== 'function') throw new TypeError('until(what, ask) needs the question to ask')
  return await poll(first, second, third)
}

/**
 * Like `until(what, ask)`, for questions to a system under faults: an error of `ask` counts as no answer yet. Rejects
 * once `signal` is aborted.
 */
export async function eventually<T>(
  what: string,
  ask: Ask<T>,
  timeoutMs: number = TIMEOUT_MS,
  signal?: AbortSignal,
): Promise<T> {
  let lastError: unknown
  const tolerant = async (): Promise<T | undefined | false> => {
    try {
      const answer = await ask()
      lastError = undefined
      return answer
    } catch (error) {
      lastError = error
      return undefined
    }
  }
  return await poll(what, tolerant, timeoutMs, { cause: () => lastError, signal })
}

interface PollOptions {
  /** Why the last question got no answer. */
  readonly cause?: () => unknown
  readonly signal?: AbortSignal | undefined
}

async function poll<T>(what: string, ask: Ask<T>, timeoutMs: number, { cause, signal }: PollOptions = {}): Promise<T> {
  const startedMs = performance.now()
  for (;;) {
    signal?.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    const waitedMs = performance.now() - startedMs
    if (waitedMs > timeoutMs) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`, { cause: cause?.() })
    await (waitedMs < EVERY_TURN_MS ? setImmediate() : setTimeout(INTERVAL_MS))
  }
}
