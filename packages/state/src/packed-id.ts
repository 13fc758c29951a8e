import type { ChannelId } from '@wns-fanout/domain'

const MARK = '\u0001'
const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * How a channel id is stored: a UUID in its usual form, 36 characters, as a mark and 22 characters, since every id is
 * held twice and most are UUIDs; any other id as it is. The mark cannot begin an id, so no two ids are stored alike.
 */
export function packId(id: ChannelId): string {
  return uuidPattern.test(id) ? MARK + Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url') : id
}

export function unpackId(stored: string): ChannelId {
  if (!stored.startsWith(MARK)) return stored as ChannelId
  const hex = Buffer.from(stored.slice(1), 'base64url').toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-') as ChannelId
}
