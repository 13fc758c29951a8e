import type { ChannelId } from '@wns-fanout/domain'
import { unpackId } from './packed-id.ts'
import { unpackUri } from './packed-uri.ts'

/** A channel as the hash of its page holds it. */
export interface StoredChannel {
  readonly id: ChannelId
  /** Empty once the channel is dead, deleted, or lost its URI to another one. */
  readonly uri: string
  readonly registeredAtSeconds: number
  readonly locale: string
  readonly tags: readonly string[]
  /** IANA name; empty where it is not known. */
  readonly timeZone: string
}

/** `<packed id>\0<packed URI>\0<registeredAt in seconds, base 36>;<locale>;<tag,tag,@time zone>` */
export function parseStoredChannel(value: string): StoredChannel {
  const [id = '', uri = '', meta = ''] = value.split('\0')
  const [since = '0', locale = '', tags = ''] = meta.split(';')
  return {
    id: unpackId(id),
    uri: unpackUri(uri),
    registeredAtSeconds: Number.parseInt(since, 36),
    locale,
    ...tagsAndZone(tags),
  }
}

function tagsAndZone(text: string): Pick<StoredChannel, 'tags' | 'timeZone'> {
  const names = text === '' ? [] : text.split(',')
  const last = names.at(-1)
  return last?.startsWith('@') === true
    ? { tags: names.slice(0, -1), timeZone: last.slice(1) }
    : { tags: names, timeZone: '' }
}
