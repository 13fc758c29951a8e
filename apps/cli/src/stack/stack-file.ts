import type { StackFile } from '@wns-fanout/local'
import { isAlive, readStackFile, StackFileError, writeStackFile } from '@wns-fanout/local'
import { Failure } from '../failure.ts'
import type { Folder } from './folder.ts'

/** stack.json with the environment that another worker needs to join. */
export interface RunningStack extends StackFile {
  /** The environment of the stack's workers. */
  readonly env: Readonly<Record<string, string>>
}

interface WorkerEntry {
  readonly pid: number
  readonly ops: string
}

/** The stack that runs in this folder. Throws a `Failure` that explains how to start one. */
export async function readRunningStack(folder: Folder): Promise<RunningStack> {
  try {
    const stack = await readStackFile(folder.stackFile)
    return { ...stack, env: envIn(stack) }
  } catch (error) {
    if (error instanceof StackFileError) throw new Failure(error.code, error.message, { cause: error })
    throw error
  }
}

/**
 * Writes the stack's own view and keeps the workers started by `start-worker`: entries of running processes that are
 * not in `own` (all processes that the stack has started).
 */
export async function rewriteStackFile(folder: Folder, stack: RunningStack, own: ReadonlySet<number>): Promise<void> {
  const before = await readStackFile(folder.stackFile).catch(() => undefined)
  const extra = before === undefined ? [] : workersIn(before).filter(({ pid }) => !own.has(pid) && isAlive(pid))
  await writeStackFile(folder.stackFile, withWorkers(stack, [...workersIn(stack), ...extra]))
}

/** Adds a worker that was started beside the stack. */
export async function enterWorker(folder: Folder, worker: WorkerEntry): Promise<void> {
  const stack = await readRunningStack(folder)
  await writeStackFile(folder.stackFile, withWorkers(stack, [...workersIn(stack), worker]))
}

/** Removes the worker; does nothing when the stack has stopped. */
export async function leaveWorker(folder: Folder, pid: number): Promise<void> {
  const stack = await readRunningStack(folder).catch(() => undefined)
  if (stack === undefined) return
  await writeStackFile(
    folder.stackFile,
    withWorkers(
      stack,
      workersIn(stack).filter((worker) => worker.pid !== pid),
    ),
  )
}

function workersIn({ pids, ops }: StackFile): readonly WorkerEntry[] {
  return pids.workers.flatMap((pid, index) => {
    const url = ops.workers[index]
    return url === undefined ? [] : [{ pid, ops: url }]
  })
}

function withWorkers(stack: RunningStack, workers: readonly WorkerEntry[]): RunningStack {
  return {
    ...stack,
    ops: { ...stack.ops, workers: workers.map(({ ops }) => ops) },
    pids: { ...stack.pids, workers: workers.map(({ pid }) => pid) },
  }
}

function envIn(stack: StackFile): Readonly<Record<string, string>> {
  const env: unknown = 'env' in stack ? stack.env : undefined
  if (typeof env !== 'object' || env === null) return {}
  return Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
