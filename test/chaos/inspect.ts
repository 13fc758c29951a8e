import { openInspector } from '../support/inspector.ts'
import type { ChaosProcess } from './process.ts'

/** Run an expression inside a worker: faults that come from nowhere else, such as a blocked event loop. */
export async function evaluateIn(worker: ChaosProcess, expression: string): Promise<void> {
  using inspector = await openInspector(worker.logFile)
  // The expression may end the process.
  await inspector.call('Runtime.evaluate', { expression }).catch(() => {})
}
