import type { Worker } from 'bullmq'

/** Start taking jobs. Errors of the queue and of jobs are reported; none of them ends the worker. */
export function runWorker(worker: Worker, report: (error: unknown) => void): void {
  worker.on('error', report)
  worker.on('failed', (_job, error) => report(error))
  // A failure to fetch while a connection is away comes as an error event; `run` ends only with the worker.
  worker.run().catch(report)
}
