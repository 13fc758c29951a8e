import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { Problem } from '@wns-fanout/domain'

/**
 * How much larger than its gzip an upload may be beyond its first megabyte. Real registrations are 2 to 5 times larger,
 * a bomb a thousand. Generated ids with the same tags everywhere are 25 times larger (measured): send them unpacked.
 */
export const MAX_GZIP_RATIO = 20
// Below this size the ratio means nothing.
const RATIO_MATTERS_FROM_BYTES = 1024 * 1024

/**
 * The bytes of an upload, unpacked. It may take as long as it needs while bytes keep arriving. Throws a Problem when
 * none arrives for `idleMs`, when the connection or the gzip ends early, and for a gzip bomb. The request stays
 * readable, so that an answer can be sent.
 */
export function uploadBytes(request: IncomingMessage, idleMs: number): AsyncGenerator<Buffer> {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity') return withIdleLimit(piecesOf(request), idleMs)
  if (encoding === 'gzip' || encoding === 'x-gzip') return gunzip(request, idleMs)
  throw new Problem('media-type', 'the Content-Encoding must be gzip, or left out')
}

// Leaving the loop must not destroy the request: its socket carries the answer.
function piecesOf(stream: Readable): AsyncIterable<Buffer> {
  return stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
}

/** The time that the reader takes between pieces does not count. */
async function* withIdleLimit(pieces: AsyncIterable<Buffer>, idleMs: number): AsyncGenerator<Buffer> {
  const iterator = pieces[Symbol.asyncIterator]()
  try {
    for (;;) {
      const result = await within(iterator.next(), idleMs)
      if (result.done === true) return
      yield result.value
    }
  } finally {
    // Not awaited: after a timeout it waits for the piece that did not come.
    iterator.return?.().catch(() => {})
  }
}

async function within<T>(work: Promise<T>, idleMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(idleProblem(idleMs)), idleMs)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
    // The work fails later when the connection ends.
    work.catch(() => {})
  }
}

function idleProblem(idleMs: number): Problem {
  return new Problem('timeout', `no bytes of the upload arrived for ${idleMs / 1000} s; send them without such breaks`)
}

async function* gunzip(request: IncomingMessage, idleMs: number): AsyncGenerator<Buffer> {
  const unzip = createGunzip()
  const onEarlyEnd = (): void => {
    if (!request.complete) unzip.destroy(new Problem('bad-request', 'the connection ended before the body did'))
  }
  request.once('close', onEarlyEnd)
  request.pipe(unzip)
  let bytes = 0
  try {
    for await (const piece of withIdleLimit(unzip as AsyncIterable<Buffer>, idleMs)) {
      bytes += piece.length
      if (bytes > RATIO_MATTERS_FROM_BYTES + unzip.bytesWritten * MAX_GZIP_RATIO)
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
