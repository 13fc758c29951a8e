import { readFile } from 'node:fs/promises'
import { getText } from '../http.ts'
import { metricIn } from '../metrics.ts'
import type { RunningStack } from '../stack/stack-file.ts'

export interface WorkerUse {
  readonly pid: number
  /** Largest resident memory so far, or the current one where the system does not report it. */
  readonly memoryBytes: number
  readonly cpuSeconds: number
}

/** Memory and CPU that the workers of a stack have used so far. */
export async function workerUse(stack: RunningStack): Promise<readonly WorkerUse[]> {
  return await Promise.all(
    stack.ops.workers.map(async (ops, index) => {
      const pid = stack.pids.workers[index] ?? 0
      const { text } = await getText(`${ops}/metrics`)
      return {
        pid,
        memoryBytes: (await peakMemoryBytes(pid)) ?? metricIn(text, 'process_resident_memory_bytes') ?? 0,
        cpuSeconds: metricIn(text, 'process_cpu_seconds_total') ?? 0,
      }
    }),
  )
}

async function peakMemoryBytes(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024
}
