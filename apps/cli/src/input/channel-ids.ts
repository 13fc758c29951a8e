import { createInterface } from 'node:readline'
import { UsageError } from '../failure.ts'
import { openSource } from './read.ts'

/**
 * The channel ids in a file, or in stdin for `-`, one a line, either bare or as NDJSON with a `channel`; read as they are
 * wanted, however many there are. Throws `UsageError` with the line that is neither, or when there is none at all.
 */
export async function* channelIds(path: string): AsyncGenerator<string> {
  const { name, stream } = await openSource(path)
  let number = 0
  let found = 0
  for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1
    const text = line.trim()
    if (text === '') continue
    const channel = text.startsWith('{') ? channelIn(text) : text
    if (channel === undefined) throw new UsageError(`${name} line ${number}: wanted a channel id or {"channel": "…"}`)
    found += 1
    yield channel
  }
  if (found === 0) throw new UsageError(`${name} lists no channel`)
}

function channelIn(line: string): string | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value === 'object' && value !== null && 'channel' in value && typeof value.channel === 'string')
      return value.channel
  } catch {
    // Told by the caller, who knows the line.
  }
  return undefined
}
