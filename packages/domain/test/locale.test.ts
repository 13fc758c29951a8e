import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { fallbacksOf, parseLocale } from '../src/locale.ts'

fc.configureGlobal({ seed: 1 })

test.for<[string, string]>([
  ['en', 'en'],
  ['pt-BR', 'pt-BR'],
  ['EN-us', 'en-US'],
  ['en_US', 'en-US'],
  [' de_DE ', 'de-DE'],
  ['de_DE.UTF-8', 'de-DE'],
  ['sr_RS@latin', 'sr-RS'],
  ['de-DE-u-co-phonebk', 'de-DE'],
  ['en-US-u-hc-h12-x-mine', 'en-US'],
  ['zh-Hant-TW', 'zh-Hant-TW'],
  ['zh_hans_cn', 'zh-Hans-CN'],
  ['de-1996', 'de-1996'],
  ['sl-rozaj-biske-1994', 'sl-1994-biske-rozaj'],
  ['ca-ES-valencia', 'ca-ES-valencia'],
  ['es-419', 'es-419'],
])('%s is the locale %s', ([text, locale]) => {
  expect(parseLocale(text)).toEqual({ ok: true, locale })
})

test.for([
  '',
  ' ',
  'e',
  'english language',
  'de-a',
  'und',
  'C',
  'x-private',
  '12',
  'de--DE',
  'en-US-US',
  'de/DE',
  'a'.repeat(200),
])('"%s" is not a locale', (text) => {
  expect(parseLocale(text)).toMatchObject({ ok: false, detail: expect.stringContaining('BCP 47') })
})

test('a locale falls back to fewer subtags', () => {
  expect([...fallbacksOf('zh-Hant-TW')]).toEqual(['zh-hant-tw', 'zh-hant', 'zh'])
  expect([...fallbacksOf('')]).toEqual([])
  expect([...fallbacksOf('-')]).toEqual(['-'])
})

property.prop([fc.string({ unit: 'binary' })])('reading a canonical locale returns it unchanged', (text) => {
  const parsed = parseLocale(text)
  if (parsed.ok) expect(parseLocale(parsed.locale)).toEqual(parsed)
})
