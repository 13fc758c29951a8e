import { workerHeapLimits } from '@wns-fanout/local'
import { request } from 'undici'
import { INSPECT, openInspector } from '../support/inspector.ts'
import { residentBytes, retainedBy } from '../support/memory.ts'
import type { StackWorker, TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'
import { waitForReady } from './support/ready.ts'

export interface MemoryBenchOptions {
  /** Audiences, from the smallest. */
  readonly sizes: readonly number[]
  /** With the options of Node that the manifests set; without, V8 takes its limits from the machine. */
  readonly limited: boolean
  readonly say: (line: string) => void
}

/** Above any rate that a worker reaches: then it produces garbage the fastest. */
const RATE = 100_000

interface Use {
  readonly recipients: number
  readonly idleMb: number
  readonly peakMb: number
  readonly peakHeapMb: number
  readonly peakExternalMb: number
  readonly retainedHeapMb: number
  readonly retainedExternalMb: number
}

/**
 * The memory of one worker that sends at full speed, by the number of recipients: a new worker for each. `peakMb` is
 * resident memory, which the system limits; `retained…` is what is left after all garbage is collected.
 */
export async function benchMemory({ sizes, limited, say }: MemoryBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  const limits = limited ? workerHeapLimits.join(' ') : ''
  const uses: Use[] = []
  for (const [n, recipients] of sizes.entries()) {
    const use = await measure(stack, n + 1, recipients, `${limits} ${INSPECT}`)
    say(JSON.stringify(use))
    uses.push(use)
  }
  const [smallest, largest] = [uses[0], uses.at(-1)]
  return {
    bench: 'memory',
    nodeOptions: limits,
    peakMb: Math.max(...uses.map(({ peakMb }) => peakMb)),
    growth: rounded((largest?.peakMb ?? 0) / (smallest?.peakMb ?? 0)),
    retainedGrowthMb: rounded((largest?.retainedHeapMb ?? 0) - (smallest?.retainedHeapMb ?? 0)),
    uses,
  }
}

async function measure(stack: TestStack, n: number, recipients: number, nodeOptions: string): Promise<Use> {
  const app = `memory-${n}`
  await prepareApp(stack, { app, client: sidOf(n), channels: recipients, ratePerSecond: RATE })
  const worker = await stack.startWorker({ NODE_OPTIONS: nodeOptions })
  await waitForReady(worker)
  const idle = await residentBytes(worker.pid)
  const most = { heap: 0, external: 0 }
  const { id } = await stack.api.createCampaign(app, tileToAll)
  await follow(
    stack,
    id,
    async (now) => {
      const { heap, external } = await reportedBy(worker)
      most.heap = Math.max(most.heap, heap)
      most.external = Math.max(most.external, external)
      return isFinished(now)
    },
    // Ten million at 1,000 a second.
    { timeoutMs: 10_000_000 },
  )
  using inspector = await openInspector(worker.logFile)
  const { peak } = await residentBytes(worker.pid)
  const { heapBytes, externalBytes } = await retainedBy(inspector)
  await worker.stop()
  return {
    recipients,
    idleMb: megabytes(idle.now),
    peakMb: megabytes(peak),
    peakHeapMb: megabytes(most.heap),
    peakExternalMb: megabytes(most.external),
    retainedHeapMb: megabytes(heapBytes),
    retainedExternalMb: megabytes(externalBytes),
  }
}

async function reportedBy({ ops }: StackWorker): Promise<{ readonly heap: number; readonly external: number }> {
  const { body } = await request(`${ops}/metrics`)
  const page = await body.text()
  const bytes = (name: string): number => Number(new RegExp(`^${name} (.+)$`, 'm').exec(page)?.[1] ?? Number.NaN)
  return { heap: bytes('nodejs_heap_size_used_bytes'), external: bytes('nodejs_external_memory_bytes') }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 100_000) / 10
}
