import { bodyFor, campaignRequestSchema, prepareMessage } from '@wns-fanout/domain'
import type { ContentValues } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'

function sent(values: ContentValues, own: Record<string, string>, tags: readonly string[] = []): string {
  const text = 'In {{vars.city}}: {{vars.temperature}} {{vars.unit|C}}'
  const rendered = bodyFor(prepareMessage({ type: 'raw', text }, values), own, undefined, tags)
  return rendered.ok ? rendered.body.toString() : rendered.reason
}

describe('a recipient without a variable', () => {
  test.each([
    [{}, 'In Rome:  C'],
    [{ missing: 'skip' }, 'missing-variable'],
    [{ missing: 'refuse' }, 'missing-variable'],
    [{ missing: 'fallback', fallbacks: { temperature: '?' } }, 'In Rome: ? C'],
    [{ missing: 'fallback', fallbacks: { temperature: '' } }, 'In Rome:  C'],
    [{ missing: 'fallback', fallbacks: { city: 'x' } }, 'missing-variable'],
  ] as const)('with %j gets %j', (values, expected) => {
    expect(sent(values, { city: 'Rome' })).toBe(expected)
  })

  test('that has the variable is not touched by any policy, an empty value included', () => {
    for (const missing of ['skip', 'fallback', 'refuse'] as const) {
      const values = { missing, fallbacks: { temperature: 'no', city: 'no' } }
      expect(sent(values, { city: 'Rome', temperature: '' })).toBe('In Rome:  C')
    }
  })
})

describe('values by tag', () => {
  const valuesByTag = {
    'city-rome': { city: 'Rome', temperature: '21' },
    'city-oslo': { city: 'Oslo', temperature: '-3' },
    italy: { city: 'Italy', unit: 'Celsius' },
  }

  test('come before the variables of the channel, and the first tag of the request counts', () => {
    expect(sent({ valuesByTag }, { city: 'old', temperature: '0' }, ['city-oslo'])).toBe('In Oslo: -3 C')
    expect(sent({ valuesByTag }, {}, ['italy', 'city-rome'])).toBe('In Rome: 21 Celsius')
    expect(sent({ valuesByTag }, { city: 'here', temperature: '1' }, ['sport'])).toBe('In here: 1 C')
  })

  test('a tag named like a property of objects gives nothing', () => {
    expect(sent({ missing: 'skip', valuesByTag }, {}, ['constructor'])).toBe('missing-variable')
  })

  test('of a name that is no tag, or a variable that is none, are errors', () => {
    const request = { notification: { type: 'raw', text: 'x' }, audience: { all: true } }
    const paths = (given: object) =>
      campaignRequestSchema
        .safeParse({ ...request, valuesByTag: given })
        .error?.issues.map(({ path }) => path.slice(1).join('/'))
    expect(paths({ 'city:rome': { a: '1' } })).toEqual(['city:rome'])
    expect(paths({ rome: { a: 7 } })).toEqual(['rome/a'])
    expect(paths({ rome: { '1a': 'x' } })).toEqual(['rome/1a'])
    expect(paths({ rome: { a: '1' } })).toBeUndefined()
  })
})
