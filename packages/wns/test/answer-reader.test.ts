import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import type { Progress } from '../src/answer-reader.ts'
import { AnswerReader } from '../src/answer-reader.ts'

function read(text: string, cuts: readonly number[] = []) {
  const bytes = Buffer.from(text, 'latin1')
  const reader = new AnswerReader()
  reader.start()
  let progress: Progress = 'more'
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  )
  for (let index = 1; index < edges.length && progress === 'more'; index += 1)
    progress = reader.push(bytes.subarray(edges[index - 1], edges[index]))
  return { progress, status: reader.status, headers: reader.headers, isReusable: reader.isReusable }
}

const good = [
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-WNS-STATUS: received\r\nX-WNS-STATUS: again\r\n\r\n',
  'HTTP/1.1 200\r\nCONTENT-LENGTH:5\r\nx-wns-msg-id:  A \r\n\r\nhello',
  'HTTP/1.1 103 Hints\r\nX-WNS-STATUS: dropped\r\n\r\nHTTP/1.1 410 Gone\r\nContent-Length: 0\r\nX-WNS-STATUS: x\r\n\r\n',
  'HTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\nX-WNS-STATUS: x\r\n\r\n' +
    '3;ext=1\r\nabc\r\n0010\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n',
  'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
]

property.prop([fc.constantFrom(...good), fc.array(fc.nat())])(
  'an answer is read the same however its bytes are cut',
  (text, cuts) => {
    const whole = read(text)
    expect(whole.progress).toBe('complete')
    expect(read(text, cuts)).toEqual(whole)
    expect(
      read(
        text,
        Array.from({ length: text.length }, (_, index) => index),
      ),
    ).toEqual(whole)
  },
)

const statusLine = fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 410 Gone', 'HTTP/1.0 200 OK', 'HTTP/2 200')
const header = fc.constantFrom(
  'Content-Length: 0',
  'Content-Length: 00',
  'X-WNS-STATUS: received',
  'X-WNS-STATUS: received ',
  'X-WNS-STATUS: rec',
  'X-WNS-MSG-ID: 1',
  'Connection: close',
  'Date: now',
  'no header',
)
const head = fc
  .tuple(statusLine, fc.array(header, { maxLength: 5 }))
  .map(([first, lines]) => [first, 'Content-Length: 0', ...lines].join('\r\n') + '\r\n\r\n')

property.prop([fc.array(head, { maxLength: 8 })])('an answer is read the same whatever came before it', (heads) => {
  const reader = new AnswerReader()
  for (const text of heads) {
    reader.start()
    const progress = reader.push(Buffer.from(text, 'latin1'))
    const alone = read(text)
    expect(progress).toBe(alone.progress)
    if (progress !== 'complete') return
    const { headers, isReusable } = reader
    expect({ progress, status: reader.status, headers, isReusable }).toEqual(alone)
  }
})

property.prop([fc.uint8Array({ maxLength: 300 }), fc.constantFrom('', 'HTTP/1.1 200 OK\r\n'), fc.array(fc.nat())])(
  'any bytes lead to a known state',
  (bytes, start, cuts) => {
    const { progress } = read(start + Buffer.from(bytes).toString('latin1'), cuts)
    expect(['more', 'complete', 'protocol', 'too-large']).toContain(progress)
  },
)

property.prop([fc.constantFrom(...good), fc.nat(), fc.integer({ min: 0, max: 255 })])(
  'an answer with one byte changed never hangs or throws',
  (text, at, byte) => {
    const bytes = Buffer.from(text, 'latin1')
    bytes[at % bytes.length] = byte
    expect(['more', 'complete', 'protocol', 'too-large']).toContain(read(bytes.toString('latin1')).progress)
  },
)

test('keeps the headers that are used, and no others', () => {
  const { headers } = read(
    'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: now\r\n__proto__: x\r\nMS-CV: a.0\r\nX-WNS-NEW: 1\r\n\r\n',
  )
  expect(headers).toEqual({ 'content-length': '0', 'ms-cv': 'a.0', 'x-wns-new': '1' })
})

test.each([
  ['another protocol', 'ICY 200 OK\r\n\r\n', 'protocol'],
  ['two spaces before the status', 'HTTP/1.1  200 OK\r\n\r\n', 'protocol'],
  ['a status of two digits', 'HTTP/1.1 99 No\r\n\r\n', 'protocol'],
  ['a switch of protocols', 'HTTP/1.1 101 Switching\r\n\r\n', 'protocol'],
  ['a header without a colon', 'HTTP/1.1 200 OK\r\nX\r\n\r\n', 'protocol'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n', 'protocol'],
  ['a NUL', 'HTTP/1.1 200 OK\r\nX-A: \0\r\n\r\n', 'protocol'],
  ['a bare CR', 'HTTP/1.1 200 OK\r\nX-A: a\rContent-Length: 5\r\n\r\n', 'protocol'],
  ['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n', 'protocol'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 0, 0\r\n\r\n', 'protocol'],
  ['a coding that is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'protocol'],
  ['an invalid chunk size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n', 'protocol'],
  [
    'a chunk longer than its size',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n',
    'protocol',
  ],
  ['a huge chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n', 'too-large'],
  ['a huge length', 'HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n', 'too-large'],
  ['a head without end', `HTTP/1.1 200 OK\r\nX-A: ${'x'.repeat(20_000)}`, 'too-large'],
])('rejects %s', (_name, text, progress) => {
  expect(read(text).progress).toBe(progress)
})

test('bytes after an answer make the connection unusable, not the answer', () => {
  const { progress, isReusable, status } = read(`${good[0]}HTTP/1.1 410 Gone\r\n`)
  expect([progress, isReusable, status]).toEqual(['complete', false, 200])
})
