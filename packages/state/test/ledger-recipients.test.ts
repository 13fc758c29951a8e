import { expect, test } from 'vitest'
import { recipientsOf } from '../src/ledger/recipients.ts'

const channels = [
  'id\0\u0002db5p?token\0zz;de;a,b,@Europe/Berlin',
  'id\0https://a/\0zz;;',
  '',
  'id\0u\0zz',
  'id\0u',
].map((text) => Buffer.from(text, 'latin1'))
const uris = ['\u0002db5p?token', 'https://a/', '', 'u', 'u']

test('URI, locale and tags are cut from the stored texts of channels', () => {
  expect(recipientsOf(channels, { wantsLocales: true, wantsTags: true })).toEqual({
    uris,
    locales: ['de', '', '', '', ''],
    tags: ['a,b,@Europe/Berlin', '', '', '', ''],
  })
})

test('locales and tags are cut only where they are wanted', () => {
  expect(recipientsOf(channels, { wantsLocales: false })).toEqual({ uris, locales: [], tags: [] })
})
