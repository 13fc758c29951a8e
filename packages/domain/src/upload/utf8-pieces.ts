import { refuseUpload } from './refuse-upload.ts'

const HEAD_BYTES = 4

/**
 * The bytes of an upload as UTF-8 without a byte order mark. UTF-16 is converted, with a mark or without one.
 * Throws the Problem `invalid`, which names the format, for files that are no text at all.
 */
export async function* utf8Pieces(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0)
  let decode: Decode = plain
  for await (const piece of pieces) {
    let bytes = piece
    if (head !== undefined) {
      head = Buffer.concat([head, piece])
      if (head.length < HEAD_BYTES) continue
      decode = decodeFor(head)
      bytes = head
      head = undefined
    }
    const decoded = decode(bytes, false)
    if (decoded.length > 0) yield decoded
  }
  if (head !== undefined) decode = decodeFor(head)
  const last = decode(head ?? Buffer.alloc(0), true)
  if (last.length > 0) yield last
}

type Decode = (bytes: Buffer, isLast: boolean) => Buffer

function plain(bytes: Buffer): Buffer {
  return bytes
}

/** How to read an upload that begins with these bytes; fewer than four are the whole upload. */
function decodeFor(head: Buffer): Decode {
  const [a = -1, b = -1, c = -1, d = -1] = head
  if ((a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff))
    throw refuseUpload('encoding', 'found UTF-32; save the file as UTF-8')
  if (a === 0x50 && b === 0x4b && c === 3 && d === 4)
    throw refuseUpload('format', 'found an Excel workbook or a ZIP archive; save the sheet as CSV (UTF-8)')
  if (a === 0x1f && b === 0x8b)
    throw refuseUpload('format', 'found gzip without "Content-Encoding: gzip"; set that header (CLI: --gzip)')
  if (a === 0xef && b === 0xbb && c === 0xbf) return withoutMark
  // An ASCII character in UTF-16 has a zero byte beside it, which UTF-8 text never has.
  if ((a === 0xff && b === 0xfe) || (a > 0 && b === 0)) return utf16('utf-16le')
  if ((a === 0xfe && b === 0xff) || (a === 0 && b > 0)) return utf16('utf-16be')
  return plain
}

function utf16(label: 'utf-16le' | 'utf-16be'): Decode {
  const decoder = new TextDecoder(label)
  return (bytes, isLast) => Buffer.from(decoder.decode(bytes, { stream: !isLast }), 'utf8')
}

const MARK_BYTES = 3

/** Drops the mark from the first piece alone. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(MARK_BYTES) : bytes
}
