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
}

/** `<packed id>\0<packed URI>\0<registeredAt in seconds, base 36>;<locale>;<tag,tag>` */
export function parseStoredChannel(value: string): StoredChannel {
  const [id = '', uri = '', meta = ''] = value.split('\0')
  const [since = '0', locale = '', tags = ''] = meta.split(';')
  return {
    id: unpackId(id),
    uri: unpackUri(uri),
    registeredAtSeconds: Number.parseInt(since, 36),
    locale,
    tags: tags === '' ? [] : tags.split(','),
  }
}
