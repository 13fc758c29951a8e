import { createInterface } from 'node:readline'
import { readJson } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'
import { openSource } from './read.ts'

/**
 * Streams the channel ids in a file, or in stdin for `-`: one per line, bare or as NDJSON with a `channel`. Throws
 * `UsageError` with the number of an invalid line, or when there is no id at all.
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
    if (channel === undefined) throw new UsageError(`${name} line ${number}: must be a channel id or {"channel": "…"}`)
    found += 1
    yield channel
  }
  if (found === 0) throw new UsageError(`${name} contains no channel id`)
}

function channelIn(line: string): string | undefined {
  const read = readJson(line)
  if (!read.ok) return undefined
  const { value } = read
  return typeof value === 'object' && value !== null && 'channel' in value && typeof value.channel === 'string'
    ? value.channel
    : undefined
}
