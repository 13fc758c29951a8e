import { PAGE_SIZE } from '@wns-fanout/domain'
import { Audiences, recipientPages, Registry } from '@wns-fanout/state'
import type { StoredRecipient, WantedPages } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { NEWS, registration, setup } from './support.ts'

/** An app of five pages, every channel with a variable, and a way to read its recipients. */
async function start() {
  const { redis, keys } = setup()
  const registry = new Registry(redis, keys)
  const all = Array.from({ length: 5 * PAGE_SIZE }, (_, at) => registration(`c${at}`, { vars: { n: String(at) } }))
  for (let at = 0; at < all.length; at += 500) await registry.register(NEWS, all.slice(at, at + 500))
  const { bits, size } = await new Audiences(redis, keys).bitmap(NEWS, { all: true })
  const read = async (wanted: Partial<WantedPages>): Promise<StoredRecipient[][]> => {
    const found: StoredRecipient[][] = []
    for await (const page of recipientPages(redis, keys, NEWS, {
      bits,
      type: 'badge',
      everyPage: true,
      contentPages: 0,
      ...wanted,
    }))
      found.push(page)
    return found
  }
  return { redis, keys, size, read }
}

function firstOf(pages: StoredRecipient[][]) {
  return pages.map((page) => page[0]?.variables)
}

test('every recipient is read once, with its stamp and its gate', async () => {
  const { redis, keys, size, read } = await start()
  const stamp = Buffer.alloc(4)
  stamp.writeUInt32BE(1234)
  await redis.setrange(keys.stamp(NEWS, 'raw', 3), 7 * 4, stamp)
  await redis.setbit(keys.gated(NEWS), 4 * 512 + 9, 1)
  const pages = await read({ type: 'raw' })
  expect(size).toBe(5 * PAGE_SIZE)
  expect(pages.map((page) => page.length)).toEqual(Array.from({ length: 5 }, () => PAGE_SIZE))
  const odd = pages.flatMap((page, at) =>
    page.flatMap((one, slot) => (one.stampSeconds !== 0 || one.isGated ? [{ at, slot, ...one }] : [])),
  )
  expect(odd).toEqual([
    { at: 3, slot: 7, stampSeconds: 1234, isGated: false },
    { at: 4, slot: 9, stampSeconds: 0, isGated: true },
  ])
})

test('contents are read of as many pages as wanted, evenly spread', async () => {
  const { read } = await start()
  expect(firstOf(await read({ contentPages: 2 }))).toEqual([
    '{"n":"0"}',
    undefined,
    '{"n":"1024"}',
    undefined,
    undefined,
  ])
  expect(firstOf(await read({ contentPages: 2, everyPage: false }))).toEqual(['{"n":"0"}', '{"n":"1024"}'])
  expect(firstOf(await read({ contentPages: 9 }))).not.toContain(undefined)
})
