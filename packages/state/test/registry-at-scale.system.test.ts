import { randomUUID } from 'node:crypto'
import { importRegistrations, Registry } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { NEWS, registration, setup, uriOf } from './support.ts'

test('100,000 channels go in and come out byte for byte', async () => {
  const { redis, keys } = setup()
  const registry = new Registry(redis, keys)
  const all = Array.from({ length: 100_000 }, (_, at) => {
    const id = randomUUID()
    return registration(at % 3 === 0 ? `device-${at}` : id, {
      uri: uriOf(`AwY%bU-${id}%2f`),
      tags: at % 2 === 0 ? ['even'] : [],
    })
  })
  const result = await importRegistrations(
    registry,
    NEWS,
    all.map((value, at) => ({ line: at + 1, parsed: { ok: true, value } as const })),
  )
  expect(result).toMatchObject({ created: 100_000, rejected: 0, moved: 0 })
  expect(await registry.count(NEWS)).toBe(100_000)
  const expected = new Map(all.map(({ channel, uri }) => [channel as string, uri?.raw ?? '']))
  let seen = 0
  let different = 0
  for await (const line of registry.exportChannels(NEWS)) {
    seen += 1
    if (expected.get(line.channel) !== line.uri) different += 1
  }
  expect({ seen, different }).toEqual({ seen: 100_000, different: 0 })
})
