import { isUtf8 } from 'node:buffer'
import { Problem } from '../problem.ts'
import { utf8Pieces } from './utf8-pieces.ts'

/** Longest line of an upload, in bytes without its end. */
export const MAX_LINE_BYTES = 4096
/** Largest upload, in bytes after decompression: 10 million lines of 400 bytes. */
export const MAX_UPLOAD_BYTES = 4 * 1024 ** 3

const LF = 10
const CR = 13

export interface Line {
  /** Counted from 1, blank lines too. */
  readonly number: number
  /** Why the text is not the whole line. */
  readonly defect?: 'line-too-long' | 'encoding'
  /** Without its end; the beginning alone of a line that is too long. */
  readonly text: string
}

/**
 * The lines of an upload, those of each piece together; the upload waits while they are worked on. Byte order marks and
 * blank lines are left out. The end of the first line decides whether lines end with LF (or CRLF) or with CR.
 * Throws the Problem `too-large`, or `invalid` for bytes that are no text.
 */
export async function* readLines(pieces: AsyncIterable<Buffer>): AsyncGenerator<Line[]> {
  const cutter = new LineCutter()
  let totalBytes = 0
  for await (const piece of utf8Pieces(pieces)) {
    totalBytes += piece.length
    if (totalBytes > MAX_UPLOAD_BYTES)
      throw new Problem('too-large', `an upload may have at most ${MAX_UPLOAD_BYTES} bytes; split it`)
    const lines = cutter.cut(piece)
    if (lines.length > 0) yield lines
  }
  const lines = cutter.end()
  if (lines.length > 0) yield lines
}

class LineCutter {
  #rest: Buffer = Buffer.alloc(0)
  #number = 0
  /** The rest of a line that was reported as too long. */
  #isSkipping = false
  #lineEnd: typeof LF | typeof CR | undefined

  /** The lines that end in this piece. */
  cut(piece: Buffer): Line[] {
    const bytes = this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, piece])
    this.#lineEnd ??= lineEndIn(bytes)
    const lines: Line[] = []
    let from = 0
    if (this.#lineEnd !== undefined) {
      for (let end = bytes.indexOf(this.#lineEnd); end >= 0; end = bytes.indexOf(this.#lineEnd, from)) {
        this.#number += 1
        if (this.#isSkipping) this.#isSkipping = false
        else addLine(lines, this.#number, bytes, from, end)
        from = end + 1
      }
    }
    this.#keep(bytes.subarray(from), lines)
    return lines
  }

  /** The last line, where it has no end of its own. */
  end(): Line[] {
    const lines: Line[] = []
    if (!this.#isSkipping && this.#rest.length > 0) addLine(lines, this.#number + 1, this.#rest, 0, this.#rest.length)
    return lines
  }

  #keep(rest: Buffer, lines: Line[]): void {
    this.#rest = rest
    // One more for the CR of a CRLF.
    if (!this.#isSkipping && rest.length > MAX_LINE_BYTES + 1) {
      lines.push(tooLong(this.#number + 1, rest, 0))
      this.#isSkipping = true
    }
    // The last byte may be the CR that decides about the ends of lines.
    if (this.#isSkipping) this.#rest = this.#lineEnd === undefined ? rest.subarray(-1) : Buffer.alloc(0)
  }
}

/** How the first line ends; undefined while that cannot be seen. */
function lineEndIn(bytes: Buffer): typeof LF | typeof CR | undefined {
  const cr = bytes.indexOf(CR)
  const lf = bytes.indexOf(LF)
  if (lf >= 0 && (cr < 0 || lf <= cr + 1)) return LF
  return cr >= 0 && cr < bytes.length - 1 ? CR : undefined
}

function addLine(lines: Line[], number: number, bytes: Buffer, start: number, lineEnd: number): void {
  const end = lineEnd > start && bytes[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd
  // Files that were joined have a mark in the middle.
  const from = end - start >= 3 && bytes.readUIntBE(start, 3) === 0xefbbbf ? start + 3 : start
  if (end === from) return
  if (end - from > MAX_LINE_BYTES) {
    lines.push(tooLong(number, bytes, from))
    return
  }
  const text = bytes.toString('utf8', from, end)
  if (text.includes('\uFFFD') && !isUtf8(bytes.subarray(from, end)))
    lines.push({ number, defect: 'encoding', text: '' })
  else if (text.trim() !== '') lines.push({ number, text })
}

/** Enough of a long line to recognize its format. */
const HEAD_BYTES = 1024

function tooLong(number: number, bytes: Buffer, from: number): Line {
  return { number, defect: 'line-too-long', text: bytes.toString('utf8', from, from + HEAD_BYTES) }
}
