import type { Audience } from '@wns-fanout/domain'
import { campaignRequestSchema } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import type { KnownAudience } from '../../src/campaign/warnings.ts'
import { audienceWarnings, warningsFor } from '../../src/campaign/warnings.ts'

const tags = ['beta', 'news', 'sport']

function detailsOf(tagExpression: string, size = 1): string[] {
  return audienceWarnings({ tags: tagExpression }, { size, tags }).map(({ code, detail }) => `${code}: ${detail}`)
}

test('an audience of known tags with recipients has no warning', () => {
  expect(detailsOf('(news or sport) and not beta')).toEqual([])
})

test('a tag that no channel has is reported with the nearest tag, also behind "not"', () => {
  expect(detailsOf('nwes')).toEqual(['unknown-tag: no channel has the tag "nwes"; did you mean "news"?'])
  expect(detailsOf('news and not bata')).toEqual(['unknown-tag: no channel has the tag "bata"; did you mean "beta"?'])
  expect(detailsOf('weather')).toEqual([
    'unknown-tag: no channel has the tag "weather"; check the tags of the channels',
  ])
  expect(audienceWarnings({ tags: 'news' }, { size: 0, tags: [] })[0]?.detail).toBe(
    'no channel has the tag "news"; the channels of this app have no tags',
  )
})

test('an audience without recipients is reported, with the reason', () => {
  expect(detailsOf('nwes', 0)).toEqual([
    'unknown-tag: no channel has the tag "nwes"; did you mean "news"?',
    'empty-audience: the audience has no recipients now: no channel matches it',
  ])
  expect(audienceWarnings({ channels: ['a', 'b'] }, { size: 0, tags: [], unknownChannels: 2 })).toEqual([
    {
      pointer: '/audience',
      code: 'empty-audience',
      detail: 'the audience has no recipients now: none of its 2 channel ids is registered',
    },
  ])
})

test.each<[Audience, Partial<KnownAudience>, string]>([
  [{ all: true } as const, { matching: 0 }, 'the app has no channels'],
  [{ all: true } as const, { matching: 1 }, 'the only channel that matches opted out'],
  [{ tags: 'news' }, { matching: 4 }, 'all 4 channels that match opted out'],
  [
    { tags: 'news' },
    { matching: 4, beforeSample: 3 },
    'the sample holds none of the 3 channels that match; raise its share',
  ],
  [{ list: 'vip' }, {}, 'no channel of the list vip is registered'],
  [{ list: 'vip', gate: 'open' }, {}, 'no channel of it matches gate'],
  [
    { channels: ['a', 'b'], registeredAfter: '2026-01-01T00:00:00Z', gate: 'open' },
    { unknownChannels: 1 },
    'no channel of it matches registeredAfter and gate',
  ],
  [{ channels: ['a'], gate: 'open' }, { unknownChannels: 1 }, 'none of its 1 channel ids is registered'],
  [{ failedOf: 'c1' }, {}, 'no recipient of campaign c1 failed or lapsed'],
  [
    { failedOf: 'c1', classes: ['cancelled', 'lapsed'], reasons: ['not-removed'] },
    {},
    'no recipient of campaign c1 has the class cancelled or lapsed and the reason not-removed, or its channel is gone',
  ],
])('the reason why %j has no recipients with %j is: %s', (audience, known, reason) => {
  expect(audienceWarnings(audience, { size: 0, tags: ['news'], ...known }).map(({ detail }) => detail)).toEqual([
    `the audience has no recipients now: ${reason}`,
  ])
})

test('the warnings of a notification point into the request', () => {
  const request = campaignRequestSchema.parse({
    notification: { type: 'badge', value: 1, variants: { de: { value: '{{vars.n}}' } } },
    audience: { all: true },
  })
  expect(warningsFor(request, undefined)).toMatchObject([
    { pointer: '/notification/variants/de/value', code: 'placeholder-value' },
  ])
})
