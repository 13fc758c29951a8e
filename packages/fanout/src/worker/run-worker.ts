import { randomUUID } from 'node:crypto'
import type { RedisConnection } from '@wns-fanout/state'
import type { QueueOptions, Worker, WorkerOptions } from 'bullmq'

/** Options of every worker, with the lock time that the configuration sets; the rest of the times follow from it. */
export function workerOptions(connection: RedisConnection, lockMs: number): WorkerOptions & QueueOptions {
  return {
    connection,
    // How long a worker may fail to renew the lock of a job before others take it: longer than a pause or a failover of
    // Redis, and about as long as the batches of a dead worker wait.
    lockDuration: lockMs,
    // Two renewals may fail before the lock expires.
    lockRenewTime: Math.round(lockMs / 3),
    // A stalled job is marked by one check and moved by the next, so two intervals are added to the lock time.
    stalledInterval: Math.max(1000, Math.round(lockMs / 4)),
    // The queue never gives up a batch whose owners die; the ledger finds the recipient that crashes them.
    maxStalledCount: 1_000_000_000,
    // Started by `runWorker`, once its errors have a listener.
    autorun: false,
    // `waitForFitRedis` checks the version at start, with an error that names the setting.
    skipVersionCheck: true,
  }
}

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
