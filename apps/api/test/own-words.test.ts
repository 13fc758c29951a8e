import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { rawCampaign, setup, storeApp, uriOf } from './support.ts'

// Texts by which a library is recognized: zod, JSON.parse, fastify, cron parsers, and all of saxes, from its source.
const saxes = readFileSync(createRequire(import.meta.resolve('@wns-fanout/domain')).resolve('saxes'), 'utf8')
const saxesTexts = [...saxes.matchAll(/fail\("([^"\\]{12,})"\)/g)].map(([, text = '']) => text)
const libraryTexts = [
  ...saxesTexts,
  'Invalid input',
  'Invalid option',
  'Invalid key',
  'Invalid string',
  'Too big',
  'Too small',
  'Unrecognized key',
  'expected string',
  'received undefined',
  'Unexpected token',
  'Unexpected end',
  'in JSON at',
  'Expected property name',
  'Bad control character',
  'Unterminated',
  'FST_ERR',
  'Unsupported Media Type',
  'Body cannot be empty',
  'Invalid characters',
  'Constraint error',
  'Validation error',
  'ZodError',
  'SyntaxError',
]

const schedule = { cron: '0 8 * * 1-5', timeZone: 'Europe/Berlin', campaign: rawCampaign }
const targets = [
  ['PUT', '/v1/apps/shop', storeApp],
  ['PUT', '/v1/apps/news/channels/c', { uri: uriOf(1), tags: ['a'], locale: 'en', vars: { name: 'x' } }],
  ['POST', '/v1/apps/news/channels:count', { audience: { tags: 'a and not b' } }],
  ['POST', '/v1/apps/news/campaigns', { ...rawCampaign, dryRun: true, canary: { size: 1, maxFailureShare: 0.5 } }],
  ['PUT', '/v1/apps/news/schedules/s', schedule],
  ['POST', '/v1/keys', { name: 'k', apps: ['news'], verbs: ['read'] }],
] as const

const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom('', null, [], {}, 0, -1, 1e300, 1.5, 'x'.repeat(3000), '<toast', '<toast><a/></toast>', '* * * * *x'),
)
type Path = readonly string[]
function pathsOf(value: unknown, at: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [at]
  return [at, ...Object.entries(value).flatMap(([key, item]) => pathsOf(item, [...at, key]))]
}
function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  return { ...(value as object), [key]: replaced((value as Record<string, unknown>)[key], rest, by) }
}

test('no text of a library reaches the sender of a body that is almost right', async () => {
  expect(saxesTexts.length).toBeGreaterThan(20)
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const bodies = fc.tuple(fc.constantFrom(...targets), fc.nat(), odd, fc.string({ maxLength: 8 }))
  await fc.assert(
    fc.asyncProperty(bodies, async ([[method, path, body], at, value, name]) => {
      const paths = pathsOf(body)
      const place = paths[at % paths.length] ?? []
      for (const wrong of [replaced(body, place, value), replaced(body, [...place.slice(0, -1), name], value)]) {
        const { status, text } = await call(method, path, { body: wrong })
        expect(status).toBeLessThan(500)
        expect(libraryTexts.filter((known) => text.includes(known))).toEqual([])
      }
    }),
    { numRuns: 150 },
  )
})

test('no text of a library reaches the sender of a body that is not JSON', async () => {
  const { call, withApp } = await setup()
  await withApp('news', 1)
  const texts = fc.tuple(fc.constantFrom(...targets), fc.nat(), fc.string({ maxLength: 3 }))
  const headers = { 'content-type': 'application/json' }
  await fc.assert(
    fc.asyncProperty(texts, async ([[method, path, body], at, inserted]) => {
      const whole = JSON.stringify(body)
      const cut = at % whole.length
      for (const wrong of [whole.slice(0, cut), whole.slice(0, cut) + inserted + whole.slice(cut), inserted]) {
        const { status, text } = await call(method, path, { headers, body: wrong })
        expect(status).toBeLessThan(500)
        expect(libraryTexts.filter((known) => text.includes(known))).toEqual([])
      }
    }),
    { numRuns: 50 },
  )
})
