import { fc, test as property } from '@fast-check/vitest'
import { prepareMessage, Secret } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { postHeaders } from '../src/index.ts'

function lines(flat: readonly string[]): string[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${flat[index + 1]}`] : []))
}

const raw = prepareMessage({ type: 'raw', text: 'hello', wnsTag: 'news', ttlSeconds: 60 })

test('a prepared message becomes its headers', () => {
  expect(lines(postHeaders(raw, { token: new Secret('T'), ttlSeconds: 42, msCv: 'abc.1' }))).toEqual([
    'Authorization: Bearer T',
    'Content-Type: application/octet-stream',
    'X-WNS-Type: wns/raw',
    'X-WNS-RequestForStatus: true',
    'X-WNS-Tag: news',
    'X-WNS-TTL: 42',
    'MS-CV: abc.1',
  ])
})

test('options of the sender override the message', () => {
  const message = {
    type: 'tile',
    contentType: 'text/xml',
    headers: { 'x-wns-ttl': '9', 'x-wns-requestforstatus': 'true' },
  } as const
  expect(lines(postHeaders(message, { token: 'T', ttlSeconds: 5, requestForStatus: false })).slice(2)).toEqual([
    'X-WNS-Type: wns/tile',
    'X-WNS-TTL: 5',
  ])
})

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('a TTL of %s is rejected', (ttlSeconds) => {
  expect(() => postHeaders(raw, { token: 'T', ttlSeconds })).toThrow('ttlSeconds must be')
})

property.prop([
  fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', 'a b', 'a\r\nX: y', 'é', 'x'.repeat(8_193))),
])('an invalid token is rejected without being shown', (token) => {
  fc.pre(!/^[\x21-\x7e]{1,8192}$/.test(token))
  expect(() => postHeaders(raw, { token })).toThrow(/^the bearer token is empty, too long or not printable ASCII$/)
})

property.prop([fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })])(
  'no header value can smuggle another header',
  (name, value, msCv) => {
    try {
      const list = postHeaders({ ...raw, headers: { [name]: value } }, { token: 'T', msCv })
      for (const text of list) expect(text).toMatch(/^[\x20-\x7e]+$/)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
    }
  },
)
