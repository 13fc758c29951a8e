import { waitForRedis } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { expect } from 'vitest'

/** The first line that is written while a process waits for Redis; the wait is then aborted. */
export async function firstLine(connection: Parameters<typeof waitForRedis>[0]): Promise<string> {
  const lines: string[] = []
  const stopping = new AbortController()
  const waiting = waitForRedis(connection, { signal: stopping.signal, onWaiting: (line) => lines.push(line) })
  const line = await until('a line about the wait', () => lines[0])
  stopping.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  return line
}
