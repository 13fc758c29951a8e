import { fc } from '@fast-check/vitest'
import { packUri, unpackUri } from '@wns-fanout/state'
import { expect, test } from 'vitest'

test('a URI of the usual form is stored 33 bytes shorter', () => {
  const uri = 'https://db5p.notify.windows.com/?token=AwYAAAD%2bU'
  expect(packUri(uri)).toBe('\u0002db5p?AwYAAAD%2bU')
  expect(unpackUri(packUri(uri))).toBe(uri)
  expect(uri.length - packUri(uri).length).toBe(33)
})

test.each([
  'https://notify.windows.com/?token=x',
  'https://DB5P.notify.windows.com/?token=x',
  'https://db5p.notify.windows.com:443/?token=x',
  'https://db5p.notify.windows.com/?other=x',
  'https://db5p.notify.windows.com?token=x',
  'https://db5p.notify.windows.com/a?token=x',
])('%s is stored as it is', (uri) => {
  expect(packUri(uri)).toBe(uri)
  expect(unpackUri(uri)).toBe(uri)
})

test('every URI comes back byte for byte, and no two are stored alike', () => {
  const part = fc.stringMatching(/^[a-z0-9.?/=:%-]{0,12}$/)
  const uri = fc
    .tuple(fc.constantFrom('https://', 'HTTPS://', ''), part, fc.constantFrom('.notify.windows.com', ''), part)
    .chain(([scheme, name, domain, rest]) =>
      fc.constantFrom(`${scheme}${name}${domain}/?token=${rest}`, `${scheme}${name}${domain}${rest}`),
    )
  fc.assert(
    fc.property(uri, uri, (one, other) => {
      expect(unpackUri(packUri(one))).toBe(one)
      expect(packUri(one) === packUri(other)).toBe(one === other)
    }),
  )
})
