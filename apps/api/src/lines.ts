import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Problem } from '@wns-fanout/domain'

/** Longest line of an upload, in bytes without its end. */
export const MAX_LINE_BYTES = 4096
/** Largest upload, in bytes after decompression: 10 million lines of 400 bytes. */
export const MAX_UPLOAD_BYTES = 4 * 1024 ** 3
/**
 * How much larger than its gzip an upload may be. Registrations with made-up ids and the same tags everywhere are 25 times
 * larger (measured), real ones 2 to 5 times, a bomb a thousand.
 */
export const MAX_GZIP_RATIO = 100
// Below this size a ratio says nothing.
const RATIO_MATTERS_FROM_BYTES = 1024 * 1024

export interface Line {
  /** Counted from 1, blank lines too. */
  readonly number: number
  /** Why there is no text, in one word. */
  readonly inputError?: 'line-too-long' | 'encoding'
  readonly text: string
}

/**
 * The lines of an upload, those of each piece that arrived together; the upload waits while they are worked on. A byte
 * order mark, carriage returns and blank lines are left out. Throws a `Problem` when the upload is too large or its
 * gzip is broken; the request stays readable, so that an answer can be sent.
 */
export async function* readLines(request: IncomingMessage): AsyncGenerator<Line[]> {
  let rest: Buffer = Buffer.alloc(0)
  let number = 0
  let isSkipping = false
  let isFirst = true
  let totalBytes = 0
  for await (const piece of decodedBody(request)) {
    totalBytes += piece.length
    if (totalBytes > MAX_UPLOAD_BYTES)
      throw new Problem('too-large', `an upload may have at most ${MAX_UPLOAD_BYTES} bytes; split it`)
    let bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    if (isFirst) {
      if (bytes.length < 3) {
        rest = bytes
        continue
      }
      if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) bytes = bytes.subarray(3)
      isFirst = false
    }
    const lines: Line[] = []
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      number += 1
      if (isSkipping) isSkipping = false
      else addLine(lines, number, bytes, from, end)
      from = end + 1
    }
    rest = bytes.subarray(from)
    if (isSkipping) rest = Buffer.alloc(0)
    else if (rest.length > MAX_LINE_BYTES + 1) {
      lines.push({ number: number + 1, inputError: 'line-too-long', text: '' })
      isSkipping = true
      rest = Buffer.alloc(0)
    }
    if (lines.length > 0) yield lines
  }
  if (isFirst && rest[0] === 0xef && rest[1] === 0xbb && rest[2] === 0xbf) rest = rest.subarray(3)
  const lines: Line[] = []
  if (!isSkipping && rest.length > 0) addLine(lines, number + 1, rest, 0, rest.length)
  if (lines.length > 0) yield lines
}

function addLine(lines: Line[], number: number, bytes: Buffer, from: number, lineEnd: number): void {
  const end = lineEnd > from && bytes[lineEnd - 1] === 13 ? lineEnd - 1 : lineEnd
  if (end === from) return
  if (end - from > MAX_LINE_BYTES) {
    lines.push({ number, inputError: 'line-too-long', text: '' })
    return
  }
  const text = bytes.toString('utf8', from, end)
  if (text.includes('\uFFFD') && !isUtf8(bytes.subarray(from, end)))
    lines.push({ number, inputError: 'encoding', text: '' })
  else if (text.trim() !== '') lines.push({ number, text })
}

function decodedBody(request: IncomingMessage): AsyncIterable<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity') return piecesOf(request)
  if (encoding === 'gzip' || encoding === 'x-gzip') return gunzip(request)
  throw new Problem('media-type', 'the Content-Encoding must be gzip, or left out')
}

// Leaving the loop must not destroy the request: its socket carries the answer.
function piecesOf(stream: Readable): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
}

async function* gunzip(request: IncomingMessage): AsyncGenerator<Buffer> {
  const unzip = createGunzip()
  const onEarlyEnd = (): void => {
    if (!request.complete) unzip.destroy(new Problem('bad-request', 'the connection ended before the body did'))
  }
  request.once('close', onEarlyEnd)
  request.pipe(unzip)
  let bytes = 0
  try {
    for await (const piece of unzip as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > RATIO_MATTERS_FROM_BYTES && bytes > unzip.bytesWritten * MAX_GZIP_RATIO)
        throw new Problem(
          'too-large',
          `the gzip unpacks to more than ${MAX_GZIP_RATIO} times its size; send it unpacked`,
        )
      yield piece
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw new Problem('bad-request', 'the body is not a complete gzip stream', { cause: error })
    throw error
  } finally {
    request.off('close', onEarlyEnd)
    request.unpipe(unzip)
    unzip.destroy()
  }
}
