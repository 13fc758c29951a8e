import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { PostWriter } from '../src/post-bytes.ts'

const body = Buffer.from('body')

function written(writer: PostWriter, path: string, headers: readonly string[]): string | undefined {
  return writer.problem(path, headers) ?? writer.bytes('host', path, body).toString('latin1')
}

test('a post is its path, host, headers, length and body', () => {
  const writer = new PostWriter()
  expect(written(writer, '/?token=a', ['A', '1', 'MS-CV', 'x.0', 'B', '2'])).toBe(
    'POST /?token=a HTTP/1.1\r\nHost: host\r\nA: 1\r\nMS-CV: x.0\r\nB: 2\r\nContent-Length: 4\r\n\r\nbody',
  )
  expect(written(writer, '/', [])).toBe('POST / HTTP/1.1\r\nHost: host\r\nContent-Length: 4\r\n\r\nbody')
})

const name = fc.constantFrom('A', 'B', 'Host', 'bad name', '')
const value = fc.constantFrom('1', '2', 'a b', ' ', '', 'x\r\ny', '\u00e9')
const path = fc.constantFrom('/', '/?token=a', '?token=a', '/a b')
const post = fc.tuple(path, fc.array(fc.tuple(name, value), { maxLength: 3 }))

property.prop([fc.array(post, { maxLength: 12 })])('a post does not depend on the posts before it', (posts) => {
  const writer = new PostWriter()
  for (const [target, pairs] of posts) {
    const headers: string[] = pairs.flat()
    expect(written(writer, target, headers)).toBe(written(new PostWriter(), target, headers))
    // A caller may change its list in place.
    headers.fill('changed')
  }
})

test.each([
  [['Host', 'x']],
  [['content-length', '1']],
  [['A', 'x\r\nB: y']],
  [['A', '']],
  [['bad name', 'x']],
  [['A']],
  [['', '']],
])('the headers %j are not written', (headers) => {
  const writer = new PostWriter()
  expect(writer.problem('/', ['A', '1'])).toBeUndefined()
  expect(writer.problem('/', headers)).toBe('invalid-header')
  expect(writer.problem('/', ['A', '1'])).toBeUndefined()
})
