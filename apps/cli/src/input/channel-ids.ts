import { Problem, readChannelIds, type UploadFormat } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'
import { openSource } from './read.ts'

/**
 * Streams the channel ids in a file, or in stdin for `-`, by the rules of the API: bare ids, lines of JSON or a CSV
 * with a `channel`. Throws `UsageError` with the number of an invalid line, or when there is no id at all.
 */
export async function* channelIds(path: string, format: UploadFormat = 'ids'): AsyncGenerator<string> {
  const { name, stream } = await openSource(path)
  let found = 0
  try {
    for await (const line of readChannelIds(stream as AsyncIterable<Buffer>, format)) {
      if ('issue' in line) throw new UsageError(`${name} line ${line.line}: ${line.issue.detail}`)
      found += 1
      yield line.channel
    }
  } catch (error) {
    throw error instanceof Problem ? new UsageError(`${name}: ${error.message}`) : error
  }
  if (found === 0) throw new UsageError(`${name} contains no channel id`)
}
