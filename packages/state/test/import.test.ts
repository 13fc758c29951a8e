import { fc, test } from '@fast-check/vitest'
import type { ImportLine } from '@wns-fanout/state'
import { parseImportLine } from '@wns-fanout/domain'
import { importRegistrations, Registry } from '@wns-fanout/state'
import { describe, expect } from 'vitest'
import { SharedUris } from '../src/shared-uris.ts'
import { NEWS, registration, registrations, setup, uriOf } from './support.ts'

function start() {
  const { redis, keys } = setup()
  return { redis, keys, registry: new Registry(redis, keys) }
}

function good(line: number, ...args: Parameters<typeof registration>): ImportLine {
  return {
    line,
    parsed: { ok: true, value: registration(...args) },
  }
}
function bad(line: number): ImportLine {
  return {
    line,
    parsed: parseImportLine({ channel: 'x', uri: 'http://evil.example/' }),
  }
}

describe('importing', () => {
  test('good lines are registered, bad ones counted and told by their number alone', async () => {
    const { registry } = start()
    const result = await importRegistrations(registry, NEWS, [good(1, 'a'), bad(2), good(3, 'b'), bad(4)])
    expect(result).toMatchObject({ accepted: 2, rejected: 2, sharedUris: 0 })
    expect(result.errors.map(({ line, code }) => [line, code])).toEqual([
      [2, 'channel-uri'],
      [4, 'channel-uri'],
    ])
    expect(JSON.stringify(result)).not.toContain('evil.example')
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('only the first hundred errors are kept, by line, and all are counted', async () => {
    const { registry } = start()
    const result = await importRegistrations(
      registry,
      NEWS,
      Array.from({ length: 5000 }, (_, at) => bad(at + 1)),
    )
    expect(result.rejected).toBe(5000)
    expect(result.errors.map(({ line }) => line)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
  })

  test('a line whose tags are too many for the app is an error of that line', async () => {
    const { registry } = start()
    const tagged = Array.from({ length: 20 }, (_, row) =>
      good(row + 1, `c${row}`, { tags: Array.from({ length: 50 }, (__, column) => `t-${row}-${column}`) }),
    )
    const result = await importRegistrations(registry, NEWS, [...tagged, good(21, 'late', { tags: ['one-more'] })])
    expect(result).toMatchObject({ accepted: 20, rejected: 1, errors: [{ line: 21, code: 'too-many-tags' }] })
  })

  test('a URI that several channels bring is counted as shared, one that a channel repeats is not', async () => {
    const { registry } = start()
    const result = await importRegistrations(registry, NEWS, [
      good(1, 'a', { uri: uriOf('same') }),
      good(2, 'a', { uri: uriOf('same') }),
      good(3, 'b', { uri: uriOf('same') }),
      good(4, 'c', { uri: uriOf('other') }),
      good(5, 'd', { uri: uriOf('same') }),
    ])
    expect(result.sharedUris).toBe(2)
  })

  test('no more chunks are under way than allowed, and reading waits for them', async () => {
    const { registry } = start()
    let read = 0
    let registered = 0
    let running = 0
    let most = 0
    const counting = {
      register: async (...args: Parameters<Registry['register']>) => {
        running += 1
        most = Math.max(most, running)
        const results = await registry.register(...args)
        running -= 1
        registered += results.length
        return results
      },
    } as Registry
    const lines = function* () {
      for (const [at, value] of registrations(5000).entries()) {
        read += 1
        // At most two chunks under way and the one being filled.
        if (read - registered > 1500) throw new Error(`read ${read} lines while ${registered} are registered`)
        yield { line: at + 1, parsed: { ok: true, value } as const }
      }
    }
    await importRegistrations(counting, NEWS, lines(), { chunksInFlight: 2 })
    expect(most).toBeLessThanOrEqual(2)
    expect(await registry.count(NEWS)).toBe(5000)
  })

  test('when Redis fails the import fails, once everything under way has ended', async () => {
    let running = 0
    const failing = {
      register: async () => {
        running += 1
        await Promise.resolve()
        running -= 1
        throw new Error('OOM command not allowed')
      },
    } as unknown as Registry
    const all = registrations(3000).map((value, at) => ({ line: at + 1, parsed: { ok: true, value } as const }))
    await expect(importRegistrations(failing, NEWS, all)).rejects.toThrow('OOM')
    expect(running).toBe(0)
  })
})

test.prop([fc.array(fc.tuple(fc.nat(30), fc.nat(5)), { maxLength: 200 })])(
  'sharing is found exactly as a map would find it',
  (pairs) => {
    const shared = new SharedUris()
    const firstOwner = new Map<number, number>()
    for (const [uri, channel] of pairs) {
      const expected = firstOwner.has(uri) && firstOwner.get(uri) !== channel
      expect(shared.isShared(uriOf(String(uri)), `c${channel}`)).toBe(expected)
      if (!firstOwner.has(uri)) firstOwner.set(uri, channel)
    }
  },
)

test('what is remembered of URIs is bounded, and what is remembered stays exact', () => {
  const shared = new SharedUris(1 << 13)
  for (let at = 0; at < 50_000; at += 1) expect(shared.isShared(uriOf(`u${at}`), 'a')).toBe(false)
  expect(shared.isShared(uriOf('u0'), 'b')).toBe(true)
  expect(shared.isShared(uriOf('u49999'), 'b')).toBe(false)
})
