import { prepareMessage } from '@wns-fanout/domain'
import type { OpenBatch } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { PostHeaders } from '../../src/send/post-headers.ts'

const opened = { expiresAtMs: 90_000, redisNowMs: 30_500 } as OpenBatch

function headersOf(list: readonly string[]): Record<string, string> {
  const pairs = list.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), list[at + 1] ?? '']] : []))
  return Object.fromEntries(pairs) as Record<string, string>
}

test('the correlation vector counts the posts of a batch, everything else stays', () => {
  const headers = new PostHeaders(prepareMessage({ type: 'badge', value: 1 }), opened)
  const first = headersOf(headers.next('token-1'))
  const second = headersOf(headers.next('token-1'))
  expect(first['ms-cv']).toMatch(/^[A-Za-z0-9+/]{22}\.0$/)
  expect(second['ms-cv']).toBe(`${first['ms-cv']?.slice(0, 22)}.1`)
  expect({ ...second, 'ms-cv': '' }).toEqual({ ...first, 'ms-cv': '' })
})

test('another token makes other headers, and the vector counts on', () => {
  const headers = new PostHeaders(prepareMessage({ type: 'badge', value: 1 }), opened)
  headers.next('token-1')
  const list = headersOf(headers.next('token-2'))
  expect(list['authorization']).toBe('Bearer token-2')
  expect(list['ms-cv']).toMatch(/\.1$/)
})

test.each([
  { ttlSeconds: undefined, expected: '59' },
  { ttlSeconds: 30, expected: '30' },
  { ttlSeconds: 3600, expected: '59' },
])('a notification with a TTL of $ttlSeconds s lives no longer than its campaign: $expected s', (row) => {
  const { ttlSeconds } = row
  const notification = { type: 'badge', value: 1, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) } as const
  const headers = new PostHeaders(prepareMessage(notification), opened)
  expect(headersOf(headers.next('t'))['x-wns-ttl']).toBe(row.expected)
})

test('a campaign that is about to expire gives its notifications a second', () => {
  const late = { ...opened, redisNowMs: 90_000 }
  const headers = new PostHeaders(prepareMessage({ type: 'badge', value: 1 }), late)
  expect(headersOf(headers.next('t'))['x-wns-ttl']).toBe('1')
})
