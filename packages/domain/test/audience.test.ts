import { audienceSchema, inputErrorsOf } from '@wns-fanout/domain'
import { expect, test } from 'vitest'

function faults(audience: unknown): Record<string, string> {
  const parsed = audienceSchema.safeParse(audience)
  if (parsed.success) return {}
  return Object.fromEntries(
    inputErrorsOf(parsed.error.issues, audienceSchema).map(({ path, detail }) => [path.join('/'), detail]),
  )
}

const filters = { registeredAfter: '2026-01-01T00:00:00Z', registeredBefore: '2026-02-01T00:00:00+01:00', gate: 'open' }

test.each([
  [{ all: true }],
  [{ tags: 'news and not beta' }],
  [{ channels: ['a'] }],
  [{ list: 'vip' }],
  [{ failedOf: 'c1', classes: ['cancelled'] }],
  [{ restOf: 'c1' }],
])('%j is an audience', (audience) => {
  expect(audienceSchema.parse(audience)).toEqual(audience)
})

test.each([[{}], [{ all: true }], [{ tags: 'news' }], [{ channels: ['a'] }], [{ list: 'vip' }]])(
  '%j can be narrowed by times and gates',
  (source) => {
    expect(audienceSchema.parse({ ...source, ...filters })).toEqual({ ...source, ...filters })
    expect(audienceSchema.parse({ ...source, gate: 'open' })).toEqual({ ...source, gate: 'open' })
  },
)

test('an audience that mixes incompatible terms is rejected with every fault', () => {
  expect(
    faults({ tags: 'news and', list: 'vip', restOf: 'c1', registeredAfter: 'yesterday', gate: 'closed', typo: 1 }),
  ).toEqual({
    list: 'list and tags cannot be combined; give one of them',
    restOf: 'restOf and tags cannot be combined; give one of them',
    tags: expect.stringContaining('found its end') as string,
    registeredAfter: 'registeredAfter cannot narrow the recipients of restOf; remove it',
    gate: 'gate cannot narrow the recipients of restOf; remove it',
    typo: 'there is no field "typo" here; remove it or check its spelling',
  })
  expect(faults({ failedOf: 'c1', gate: 'open', classes: ['cancelled'] })).toEqual({
    gate: 'gate cannot narrow the recipients of failedOf; remove it',
  })
})

test('a span of registrations that ends before it begins is rejected', () => {
  const registeredAfter = '2026-02-01T00:00:00Z'
  const wanted = { registeredBefore: 'registeredBefore must be later than registeredAfter' }
  expect(faults({ all: true, registeredAfter, registeredBefore: '2026-02-01T00:30:00+01:00' })).toEqual(wanted)
  expect(faults({ all: true, registeredAfter, registeredBefore: registeredAfter })).toEqual(wanted)
})

test.each([
  [{}, { all: 'an audience needs a term; {"all": true} is every channel' }],
  [{ gate: 'closed' }, { gate: 'must be "open"' }],
  [{ tags: 'a', gate: 'closed' }, { gate: 'must be "open"' }],
  [
    { all: true, registeredAfter: '2026-01-01' },
    { registeredAfter: expect.stringContaining('ISO 8601 with a zone') as string },
  ],
])('%j is rejected', (audience, wanted) => expect(faults(audience)).toEqual(wanted))
