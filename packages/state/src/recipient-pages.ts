import type { AppId, NotificationType } from '@wns-fanout/domain'
import { hasBit, ordinalsIn, PAGE_BYTES } from '@wns-fanout/domain'
import { inChunks } from './chunks.ts'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { parseStoredChannel } from './stored-channel.ts'

/** A recipient, as far as what is stored of it decides what a campaign does. */
export interface StoredRecipient {
  /** Redis second of the last generic update of the type; 0 if there was none. */
  readonly stampSeconds: number
  /** Always false unless the type is raw. */
  readonly isGated: boolean
  /** Only on pages whose contents are wanted; JSON, empty without variables. */
  readonly variables?: string
  readonly locale?: string
  readonly tags?: readonly string[]
}

export interface WantedPages {
  readonly bits: Buffer
  readonly type: NotificationType
  readonly everyPage: boolean
  readonly contentPages: number
}

const PAGES_READ_AHEAD = 32

/**
 * The recipients of an audience, page by page, in the order of registration. Stamps and gates are a read each for a
 * page, variables and locales a larger one, so these are read of at most `contentPages` pages, evenly spread.
 *
 * @param wanted.bits the audience as a bitmap over ordinals
 * @param wanted.everyPage false if pages whose contents are not wanted are not wanted at all
 */
export async function* recipientPages(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  { bits, type, everyPage, contentPages }: WantedPages,
): AsyncGenerator<StoredRecipient[]> {
  const pages = pagesIn(bits)
  const step = Math.max(1, pages.length / Math.max(1, contentPages))
  const chosen = new Set(
    Array.from({ length: Math.min(contentPages, pages.length) }, (_, at) => pages[Math.floor(at * step)] ?? -1),
  )
  const read = async (page: number): Promise<StoredRecipient[]> => {
    const slots = [...ordinalsIn(bits.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES), 0)]
    const fields = slots.map(String)
    const [stamps, gated, values, variables] = await Promise.all([
      redis.getBuffer(keys.stamp(app, type, page)),
      type === 'raw'
        ? redis.getrangeBuffer(keys.gated(app), page * PAGE_BYTES, (page + 1) * PAGE_BYTES - 1)
        : undefined,
      chosen.has(page) ? redis.hmget(keys.uri(app, page), ...fields) : undefined,
      chosen.has(page) ? redis.hmget(keys.vars(app, page), ...fields) : undefined,
    ])
    return slots.map((slot, at) => ({
      stampSeconds: stamps !== null && stamps.length >= slot * 4 + 4 ? stamps.readUInt32BE(slot * 4) : 0,
      isGated: gated !== undefined && hasBit(gated, slot),
      ...(values === undefined ? {} : localeAndTags(values[at] ?? '')),
      ...(variables === undefined ? {} : { variables: variables[at] ?? '' }),
    }))
  }
  for (const chunk of inChunks(everyPage ? pages : [...chosen], PAGES_READ_AHEAD))
    yield* await Promise.all(chunk.map(read))
}

function localeAndTags(value: string): Pick<StoredRecipient, 'locale' | 'tags'> {
  const { locale, tags } = parseStoredChannel(value)
  return { locale, tags }
}

function pagesIn(bits: Buffer): number[] {
  const pages: number[] = []
  for (let page = 0; page * PAGE_BYTES < bits.length; page += 1)
    if (bits.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES).some((byte) => byte !== 0)) pages.push(page)
  return pages
}
