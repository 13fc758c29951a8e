import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/** A worker process opened a batch, by its own log at level debug. */
export interface Opened {
  readonly campaign: string
  readonly seq: number
  readonly pid: number
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** Its owner stopped checkpointing. */
  readonly takeover: boolean
}

/** All openings in the logs of the workers, by time. */
export async function readOpened(files: readonly string[], campaign: string): Promise<Opened[]> {
  const opened: Opened[] = []
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      if (!line.includes('"takeover":')) continue
      const entry = JSON.parse(line) as Omit<Opened, 'atMs'> & { readonly time: string }
      if (entry.campaign === campaign) opened.push({ ...entry, atMs: Date.parse(entry.time) })
    }
  }
  return opened.toSorted((left, right) => left.atMs - right.atMs)
}

/** A worker process exited, or got SIGTERM. */
export interface Ending {
  readonly pid: number
  readonly atMs: number
}

/** How long the batches that one ending left behind were without an owner, in seconds; ordered. */
export function handOverSeconds(
  opened: readonly Opened[],
  { pid, atMs }: Ending,
  how: 'taken over' | 'handed over',
): number[] {
  const seconds: number[] = []
  const owners = new Map<number, number>()
  for (const one of opened) {
    const wasLeft = owners.get(one.seq) === pid
    owners.set(one.seq, one.pid)
    if (wasLeft && one.atMs >= atMs && one.takeover === (how === 'taken over')) seconds.push((one.atMs - atMs) / 1000)
  }
  return seconds
}
