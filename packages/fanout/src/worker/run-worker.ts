import { randomUUID } from 'node:crypto'
import type { Worker } from 'bullmq'

/** Locks of the worker's jobs begin with the id of the process, so that others can release them when it dies. */
export function ownedBy(worker: Worker, process: string): void {
  // An app may be served again while its previous worker still ends; no two of their locks are alike.
  Object.assign(worker, { id: `${process}:${randomUUID()}` })
}

/** Does a lock belong to the process? */
export function isLockOf(token: string, process: string): boolean {
  return token.startsWith(`${process}:`)
}

/** Start taking jobs. Errors of the queue and of jobs are reported; none of them ends the worker. */
export function runWorker(worker: Worker, report: (error: unknown) => void): void {
  worker.on('error', report)
  worker.on('failed', (_job, error) => report(error))
  // A failure to fetch while a connection is away comes as an error event; `run` ends only with the worker.
  worker.run().catch(report)
}
