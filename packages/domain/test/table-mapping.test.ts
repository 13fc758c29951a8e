import type { TableMapping } from '@wns-fanout/domain'
import { isName, mapRow, parseImportLine, tagFromText } from '@wns-fanout/domain'
import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'

const uri = 'https://db5p.notify.windows.com/?token=a'

function mapping(rest: Partial<TableMapping> = {}): TableMapping {
  return {
    columns: { channel: 'device_id', uri: 'channel_url', locale: 'language' },
    tagsFrom: [],
    vars: {},
    nulls: new Set(['\\N', 'NULL']),
    emptyKeeps: true,
    ...rest,
  }
}

test.each([
  ['São Paulo', 'sao-paulo'],
  ["St. John's", 'st-johns'],
  ['pt-BR', 'pt-br'],
  ['Łódź', 'lodz'],
  ['Straße 7', 'strasse-7'],
  ['  New   York  ', 'new-york'],
  ['not', 'tag-not'],
  ['Москва', undefined],
  ['—', undefined],
  [`${'a'.repeat(39)} b`, 'a'.repeat(39)],
])('the tag for %j is %j', (text, tag) => {
  expect(tagFromText(text)).toBe(tag)
})

test.prop([fc.string({ unit: 'grapheme', maxLength: 80 })])('a tag that is made from a text is a tag', (text) => {
  const tag = tagFromText(text)
  expect(tag === undefined || isName(tag)).toBe(true)
  if (tag !== undefined) expect(tagFromText(tag)).toBe(tag)
})

test('columns become fields, tags and variables', () => {
  const row = { device_id: 42, channel_url: uri, language: 'pt-BR', city: 'São Paulo', temp: 12.5, other: 'x' }
  const { line, madeTags } = mapRow(
    row,
    mapping({ tagsFrom: ['city', 'language'], vars: { city: 'city', temp: 'temp' } }),
  )
  expect(line).toEqual({
    channel: '42',
    uri,
    locale: 'pt-BR',
    tags: ['sao-paulo', 'pt-br'],
    vars: { city: 'São Paulo', temp: '12.5' },
  })
  expect(madeTags).toEqual([
    ['São Paulo', 'sao-paulo'],
    ['pt-BR', 'pt-br'],
  ])
  expect(parseImportLine(line)).toMatchObject({ ok: true })
})

test('a missing value clears a field, an empty cell keeps it', () => {
  const row = { device_id: 'a', channel_url: uri, language: 'NULL', city: null, temp: '\\N' }
  expect(mapRow(row, mapping({ tagsFrom: ['city'], vars: { temp: 'temp' } })).line).toEqual({
    channel: 'a',
    uri,
    locale: null,
    tags: [],
    vars: {},
  })
  const empty = { device_id: 'a', channel_url: '', language: '' }
  expect(mapRow(empty, mapping()).line).toEqual({ channel: 'a' })
  expect(mapRow(empty, mapping({ nulls: new Set(['']) })).line).toEqual({ channel: 'a', locale: null })
})

test.each([
  ['t', true],
  ['FALSE', false],
  [true, true],
  [0, false],
  [null, null],
  ['perhaps', 'perhaps'],
])('an opt-out of %j is %j', (value, optedOut) => {
  expect(mapRow({ id: 'a', out: value }, mapping({ columns: { channel: 'id', optedOut: 'out' } })).line).toEqual({
    channel: 'a',
    optedOut,
  })
})

test('tags of a column and tags made from texts are combined', () => {
  const columns = { channel: 'id', tags: 'tags' }
  const row = { id: 'a', tags: ['news', 'sport'], city: 'Rome' }
  expect(mapRow(row, mapping({ columns, tagsFrom: ['city'] })).line['tags']).toEqual(['news', 'sport', 'rome'])
  expect(mapRow({ id: 'a', tags: 'news;sport' }, mapping({ columns })).line['tags']).toEqual(['news', 'sport'])
})

test('numbers in JSON of a database become texts, and nulls become missing values', () => {
  const line = { channel: 42, uri, tags: null, locale: null, vars: { temp: 12, sunny: true, wind: null } }
  expect(parseImportLine(line)).toMatchObject({
    ok: true,
    value: { channel: '42', tags: null, vars: { temp: '12', sunny: 'true' } },
  })
})
