import { Cluster } from 'ioredis'
import type { RedisConnection } from './redis.ts'
import { withoutCommand } from './redis-guard.ts'

/** Reports an error, and how many equal ones were left out since the last report. */
export type ReportError = (error: Error, repeated: number) => void

/** An error that lasts comes with every attempt to reconnect; a refusal comes with every command. */
const ERROR_EVERY_MS = 1000
const REFUSAL_EVERY_MS = 5000
/** Texts to remember; a text with changing parts must not fill the memory. */
const MAX_TEXTS = 100

/** Report the errors of a connection, those of the nodes of a cluster, and refusals that make a worker wait. */
export function reportErrors(connection: RedisConnection, report: ReportError | undefined): void {
  const limited = limitReports(report ?? (() => {}))
  // Without a listener ioredis writes errors to stderr, past the logger.
  connection.on('error', (error: Error) => limited(withoutCommand(error), ERROR_EVERY_MS))
  connection.on('refused', (refusal: string) => limited(new Error(refusal), REFUSAL_EVERY_MS))
  if (connection instanceof Cluster)
    connection.on('node error', (error: Error, address: string) => limited(ofNode(error, address), ERROR_EVERY_MS))
}

/** The same error with the node that it came from, for people. Its text begins as before. */
export function ofNode(error: Error, address: string): Error {
  const named = new Error(`${error.message} (cluster node ${address})`, { cause: withoutCommand(error) })
  named.name = error.name
  return named
}

/** Reports errors of one text at most once in the given time. */
export function limitReports(report: ReportError, nowMs = () => performance.now()) {
  const seen = new Map<string, { atMs: number; repeated: number }>()
  return (error: Error, everyMs: number): void => {
    const last = seen.get(error.message)
    if (last !== undefined && nowMs() - last.atMs < everyMs) {
      last.repeated += 1
      return
    }
    if (seen.size >= MAX_TEXTS) seen.clear()
    seen.set(error.message, { atMs: nowMs(), repeated: 0 })
    report(error, last?.repeated ?? 0)
  }
}
