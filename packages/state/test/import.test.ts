import { fc, test } from '@fast-check/vitest'
import type { ImportedLine } from '@wns-fanout/domain'
import { acceptedLines, channelId, parseImportLine } from '@wns-fanout/domain'
import { importRegistrations, Registry } from '@wns-fanout/state'
import { nth } from '@wns-fanout/testing'
import { describe, expect } from 'vitest'
import { keysOf, NEWS, registration, registrations, setup, uriOf } from './support.ts'

function start() {
  const { redis, keys } = setup()
  return { redis, keys, registry: new Registry(redis, keys) }
}

async function exported(registry: Registry): Promise<unknown[]> {
  const lines = []
  for await (const { registeredAt: _, ...line } of registry.exportChannels(NEWS)) lines.push(line)
  return lines
}

function good(line: number, ...args: Parameters<typeof registration>): ImportedLine {
  return {
    line,
    parsed: { ok: true, value: registration(...args) },
  }
}
function bad(line: number): ImportedLine {
  return {
    line,
    parsed: parseImportLine({ channel: 'x', uri: 'http://evil.example/' }),
  }
}

function refused(line: number, reason: number): ImportedLine {
  return { line, parsed: { ok: false, inputErrors: [{ path: [], code: 'odd', detail: `reason ${reason}` }] } }
}

async function* cutOff(): AsyncGenerator<ImportedLine> {
  yield* [good(1, 'a'), bad(2), good(3, 'b')]
  await Promise.resolve()
  throw new Error('the connection broke')
}

describe('importing', () => {
  test('good lines are registered, bad ones are counted and reported without their text', async () => {
    const { registry } = start()
    const result = await importRegistrations(registry, NEWS, [good(1, 'a'), bad(2), good(3, 'b'), bad(4)])
    expect(result).toMatchObject({ created: 2, updated: 0, unchanged: 0, duplicates: 0, rejected: 2, moved: 0 })
    expect(result.errors).toEqual([{ line: 2, code: 'channel-uri', detail: expect.any(String), count: 2 }])
    expect(JSON.stringify(result)).not.toContain('evil.example')
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('equal errors are folded, only the first hundred reasons are kept, and all lines are counted', async () => {
    const { registry } = start()
    const lines = Array.from({ length: 5000 }, (_, at) => refused(at + 1, Math.floor(at / 2)))
    const result = await importRegistrations(registry, NEWS, lines)
    expect(result.rejected).toBe(5000)
    expect(result.errors.map(({ line, count }) => [line, count])).toEqual(
      Array.from({ length: 100 }, (_, at) => [2 * at + 1, 2]),
    )
  })

  test('a line whose tags are too many for the app is an error of that line', async () => {
    const { registry } = start()
    const tagged = Array.from({ length: 20 }, (_, row) =>
      good(row + 1, `c${row}`, { tags: Array.from({ length: 50 }, (__, column) => `t-${row}-${column}`) }),
    )
    const result = await importRegistrations(registry, NEWS, [...tagged, good(21, 'late', { tags: ['one-more'] })])
    expect(result).toMatchObject({ created: 20, rejected: 1, errors: [{ line: 21, code: 'too-many-tags', count: 1 }] })
  })

  test('three lines with one id are one channel, and the last one wins', async () => {
    const { registry } = start()
    const lines = [good(1, 'a', { locale: 'en' }), good(2, 'a', { locale: 'de' }), good(3, 'a', { locale: 'fr' })]
    expect(await importRegistrations(registry, NEWS, lines)).toMatchObject({ created: 1, duplicates: 2, updated: 0 })
    expect(await registry.get(NEWS, channelId('a'))).toMatchObject({ locale: 'fr' })
    expect(await registry.count(NEWS)).toBe(1)
  })

  test('the same import again changes nothing, and a later line of an id can still change it', async () => {
    const { registry } = start()
    const all = registrations(1200, { tags: ['x'], vars: { name: 'Ada' } })
    const lines = all.map((value, at): ImportedLine => ({ line: at + 1, parsed: { ok: true, value } }))
    expect(await importRegistrations(registry, NEWS, lines)).toMatchObject({ created: 1200, unchanged: 0 })
    expect(await importRegistrations(registry, NEWS, lines)).toMatchObject({ created: 0, updated: 0, unchanged: 1200 })
    const changed = { line: 1201, parsed: { ok: true, value: { ...nth(all, 0), locale: 'de' } } } as const
    expect(await importRegistrations(registry, NEWS, [...lines, changed, { ...changed, line: 1202 }])).toMatchObject({
      created: 0,
      updated: 1,
      unchanged: 1199,
      duplicates: 2,
    })
  })

  test('a URI that another channel has moves to the newest id, and the result names the old one', async () => {
    const { registry } = start()
    const uri = uriOf('same')
    await registry.register(NEWS, [registration('old', { uri, tags: ['x'] })])
    const result = await importRegistrations(registry, NEWS, [
      good(1, 'b', { uri }),
      good(2, 'c'),
      good(3, 'd', { uri }),
    ])
    expect(result).toMatchObject({
      created: 3,
      moved: 2,
      moves: [
        { line: 1, channel: 'b', from: 'old' },
        { line: 3, channel: 'd', from: 'b' },
      ],
    })
    expect(await exported(registry)).toEqual([
      { channel: 'c', uri: uriOf('c') },
      { channel: 'd', uri },
    ])
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('an app may allow that channels share a URI', async () => {
    const { registry } = start()
    const lines = [good(1, 'a', { uri: uriOf('same') }), good(2, 'b', { uri: uriOf('same') })]
    expect(await importRegistrations(registry, NEWS, lines, { sharedUri: 'allow' })).toMatchObject({ moved: 0 })
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('an import that ends early reports what it registered', async () => {
    const { registry } = start()
    await expect(importRegistrations(registry, NEWS, cutOff())).rejects.toMatchObject({
      result: { created: 2, rejected: 1 },
      cause: { message: 'the connection broke' },
    })
    expect(await registry.count(NEWS)).toBe(2)
  })

  test('an import leaves no key of its own behind', async () => {
    const bench = start()
    await importRegistrations(bench.registry, NEWS, [good(1, 'a')])
    expect((await keysOf(bench)).filter((key) => key.includes('tmp'))).toEqual([])
  })

  test('no more chunks are under way than allowed, and reading waits for them', async () => {
    const { registry } = start()
    let read = 0
    let registered = 0
    let running = 0
    let most = 0
    const counting = {
      endImport: async () => {},
      register: async (...args: Parameters<Registry['register']>) => {
        running += 1
        most = Math.max(most, running)
        const results = await registry.register(...args)
        running -= 1
        registered += results.length
        return results
      },
    } as unknown as Registry
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
      endImport: async () => {},
      register: async () => {
        running += 1
        await Promise.resolve()
        running -= 1
        throw new Error('OOM command not allowed')
      },
    } as unknown as Registry
    const all = registrations(3000).map((value, at) => ({ line: at + 1, parsed: { ok: true, value } as const }))
    await expect(importRegistrations(failing, NEWS, all)).rejects.toMatchObject({
      cause: { message: 'OOM command not allowed' },
    })
    expect(running).toBe(0)
  })
})

const anyLine = fc.record({ id: fc.nat(6), uri: fc.nat(6), locale: fc.constantFrom('en', 'de') })

test.prop([fc.array(anyLine, { maxLength: 30 }), fc.array(anyLine, { maxLength: 30 })], { numRuns: 60 })(
  'the counts of an import are what a plain map would count',
  async (before, lines) => {
    const { registry } = start()
    const asLine = ({ id, uri, locale }: (typeof lines)[number], at: number): ImportedLine =>
      good(at + 1, `c${id}`, { uri: uriOf(`u${uri}`), locale })
    const model = new Map<number, { readonly uri: number | null; readonly locale: string }>()
    const apply = (some: typeof lines) => {
      const counted = new Map<number, 'created' | 'updated' | 'unchanged'>()
      let duplicates = 0
      for (const { id, uri, locale } of some) {
        const old = model.get(id)
        const isNew = old === undefined || old.uri === null
        const change = isNew ? 'created' : old.uri !== uri || old.locale !== locale ? 'updated' : 'unchanged'
        for (const [other, channel] of model)
          if (channel.uri === uri && other !== id) model.set(other, { ...channel, uri: null })
        model.set(id, { uri, locale })
        const known = counted.get(id)
        if (known === undefined) counted.set(id, change)
        else {
          duplicates += 1
          if (known === 'unchanged' && change !== 'unchanged') counted.set(id, 'updated')
        }
      }
      const count = (wanted: string): number => [...counted.values()].filter((one) => one === wanted).length
      return { created: count('created'), updated: count('updated'), unchanged: count('unchanged'), duplicates }
    }
    expect(await importRegistrations(registry, NEWS, before.map(asLine))).toMatchObject(apply(before))
    const result = await importRegistrations(registry, NEWS, lines.map(asLine))
    expect(result).toMatchObject(apply(lines))
    expect(acceptedLines(result)).toBe(lines.length)
    const living = [...model].filter(([, { uri }]) => uri !== null)
    expect(await registry.count(NEWS)).toBe(living.length)
    expect(new Set((await exported(registry)).map((line) => (line as { channel: string }).channel))).toEqual(
      new Set(living.map(([id]) => `c${id}`)),
    )
  },
)
