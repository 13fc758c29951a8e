import { destination as openDestination } from 'pino'

export interface LineWriter {
  write(this: void, line: string): void
  /** Resolves once everything is written, or cannot be written. */
  flush(this: void): Promise<void>
}

const MAX_BUFFERED_BYTES = 16 * 1024 * 1024

/** Lines to a file descriptor, asynchronous and bounded: a stalled reader costs lines, never requests. */
export function createLineWriter(fd: number): LineWriter {
  const destination = openDestination({ fd, sync: false, maxLength: MAX_BUFFERED_BYTES })
  // A reader that closed its end must not end the process.
  destination.on('error', () => {})
  return {
    write: (line) => void destination.write(`${line}\n`),
    flush: async () => {
      await new Promise<void>((resolve) => destination.flush(() => resolve()))
    },
  }
}
