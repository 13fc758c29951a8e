import { startChild } from '@wns-fanout/local'
import { Failure } from '../failure.ts'
import { parseLog } from './log-line.ts'
import { scriptOf } from './scripts.ts'

export interface BesideRedis {
  readonly args: readonly string[]
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly isAnswer: (line: unknown) => boolean
  /** The failure to throw: its code, and its message when the program logs no reason. */
  readonly failure: { readonly code: string; readonly message: string }
}

const ERROR_SEVERITY = 50

/**
 * Runs a one-off command of the API's program directly on Redis, for tasks that must work without a running API and its
 * keys. Resolves to the program's line of JSON; throws a `Failure` with its reason.
 */
export async function besideRedis({ args, env = {}, isAnswer, failure }: BesideRedis): Promise<unknown> {
  let problem = ''
  const child = await startChild({
    name: 'the API',
    script: scriptOf('api'),
    args,
    env,
    readyLine: isAnswer,
    readyTimeoutMs: 30_000,
    onLine: (line, from) => {
      const entry = from === 'stderr' ? parseLog(line) : undefined
      if (entry !== undefined && entry.severity >= ERROR_SEVERITY) problem = entry.message
    },
  })
  try {
    return await child.ready.catch((error: unknown) => {
      throw new Failure(failure.code, problem === '' ? failure.message : problem, { cause: error })
    })
  } finally {
    await child.stop({ graceMs: 5000 })
  }
}
