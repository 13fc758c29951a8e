import type { Readable } from 'node:stream'

const MAX_LINE_LENGTH = 1_000_000

/** Calls `onLine` for each line of a text stream, also for a last line without line end. Huge lines are cut. */
export function eachLine(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_LENGTH)
    for (const line of lines) onLine(line.replace(/\r$/, ''))
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
  // A broken pipe means that the process has ended, which its exit shows.
  stream.on('error', () => {})
}

/** Keeps the last `limit` lines. */
export function lastLines(limit: number): { add(line: string): void; text(): string } {
  const kept: string[] = []
  return {
    add(line) {
      kept.push(line)
      if (kept.length > limit) kept.shift()
    },
    text: () => kept.join('\n'),
  }
}
