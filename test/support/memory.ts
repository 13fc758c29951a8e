import { readFile } from 'node:fs/promises'
import type { Inspector } from './inspector.ts'

/** What a process holds after a full garbage collection, in bytes. */
export interface Retained {
  readonly heapBytes: number
  /** Buffers and other memory outside of the heap that belongs to objects in it. */
  readonly externalBytes: number
}

/** Collects all garbage of a process and returns what is left. */
export async function retainedBy(inspector: Inspector): Promise<Retained> {
  await collectGarbage(inspector)
  const { result } = await inspector.call('Runtime.evaluate', {
    expression: 'process.memoryUsage()',
    returnByValue: true,
  })
  const { heapUsed, external } = (result as { readonly value: NodeJS.MemoryUsage }).value
  return { heapBytes: heapUsed, externalBytes: external }
}

/** The objects that live in a process after a full garbage collection, counted by what they inherit from. */
export async function liveObjects(inspector: Inspector, kinds: readonly string[]): Promise<Record<string, number>> {
  await collectGarbage(inspector)
  const counts: Record<string, number> = {}
  for (const kind of kinds) {
    const { result: prototype } = await inspector.call('Runtime.evaluate', {
      expression: `${kind}.prototype`,
      objectGroup: 'count',
    })
    const { objects } = await inspector.call('Runtime.queryObjects', {
      prototypeObjectId: idOf(prototype),
      objectGroup: 'count',
    })
    const { result } = await inspector.call('Runtime.callFunctionOn', {
      objectId: idOf(objects),
      functionDeclaration: 'function () { return this.length }',
    })
    counts[kind] = (result as { readonly value: number }).value
    await inspector.call('Runtime.releaseObjectGroup', { objectGroup: 'count' })
  }
  return counts
}

function idOf(object: unknown): string {
  return (object as { readonly objectId: string }).objectId
}

/** Objects with a finalizer go in a second collection. */
async function collectGarbage(inspector: Inspector): Promise<void> {
  for (let round = 0; round < 2; round += 1) await inspector.call('HeapProfiler.collectGarbage')
}

/** The memory that a process occupies now and occupied at most, in bytes, read from /proc. */
export async function residentBytes(pid: number): Promise<{ readonly now: number; readonly peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const bytes = (field: string): number =>
    Number(new RegExp(String.raw`^${field}:\s+(\d+) kB$`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024
  return { now: bytes('VmRSS'), peak: bytes('VmHWM') }
}
