import { expect, test } from 'vitest'
import { parseImportLine } from '../src/channel.ts'
import { withoutOddFields } from '../src/odd-fields.ts'

const uri = 'https://db5p.notify.windows.com/?token=T'

test.for<[object, string]>([
  [{ locale: 'en_US' }, 'en-US'],
  [{ locale: 'de-DE-u-co-phonebk' }, 'de-DE'],
  [{ locale: 'zh-Hant-TW' }, 'zh-Hant-TW'],
  [{ locale: 'sl-IT-nedis-rozaj' }, 'sl-IT-nedis-rozaj'],
])('a registration with %j has the locale %s', ([fields, locale]) => {
  const parsed = parseImportLine({ channel: 'd1', uri, ...fields })
  expect(parsed).toMatchObject({ ok: true, value: { locale } })
})

test('an invalid locale is an error of that field', () => {
  const parsed = parseImportLine({ channel: 'd1', uri, locale: 'english language' })
  expect(parsed).toMatchObject({ ok: false, inputErrors: [{ path: ['locale'] }] })
})

test.for<[object, object, string[]]>([
  [{ locale: 'en_US', tags: ['news'] }, { locale: 'en_US', tags: ['news'] }, []],
  [{ locale: 'english language' }, {}, ['locale']],
  [{ locale: 5 }, {}, ['locale']],
  [{ locale: '' }, {}, ['locale']],
  [{ tags: ['news', 'Breaking News', 5, 'and'] }, { tags: ['news'] }, ['tags']],
  [{ tags: 'news' }, {}, ['tags']],
  [{ locale: '?', tags: ['?'] }, {}, ['locale', 'tags']],
  [{ tags: [] }, { tags: [] }, []],
  [{ locale: null, tags: null }, { locale: null, tags: null }, []],
  [{ foo: 1, vars: { a: 'b' } }, { foo: 1, vars: { a: 'b' } }, []],
])('an import that skips odd fields keeps, of %j, only %j', ([fields, kept, skipped]) => {
  expect(withoutOddFields({ channel: 'd1', uri, ...fields })).toEqual({
    input: { channel: 'd1', uri, ...kept },
    skipped,
  })
})

test.for([null, 5, 'a', [[]], undefined])('%j is not a line, and is returned unchanged', (input) => {
  expect(withoutOddFields(input)).toEqual({ input, skipped: [] })
})
