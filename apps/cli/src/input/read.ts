import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { parseSecret, readJson as readJsonText } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'

/** The whole text of a file, or of stdin for `-`; at most 16 MB. Throws `UsageError` when it cannot be read. */
export async function readText(path: string): Promise<string> {
  if (path !== '-') {
    const bytes = await readFile(path).catch((error: unknown) => {
      throw unreadable(path, error)
    })
    return decode(bytes, path)
  }
  if (process.stdin.isTTY) process.stderr.write('Reading from the terminal; press Ctrl-D to end.\n')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_TEXT_BYTES) throw new UsageError('stdin has more than 16 MB; use a file')
    chunks.push(chunk)
  }
  return decode(Buffer.concat(chunks), path)
}

/** The text of a file without its byte order mark. Windows tools write UTF-16 as well as UTF-8. */
function decode(bytes: Buffer, path: string): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.subarray(2).toString('utf16le')
  if (!isUtf8(bytes)) throw new UsageError(`${nameOf(path)} must be UTF-8 text; save it as UTF-8`)
  return bytes.toString('utf8').replace(/^\uFEFF/, '')
}

const MAX_TEXT_BYTES = 16_000_000

/** The JSON value in a file, or in stdin for `-`. Throws `UsageError` with the file's name when it is none. */
export async function readJson(path: string): Promise<unknown> {
  const read = readJsonText(await readText(path))
  if (!read.ok) throw new UsageError(`${nameOf(path)} is not JSON: ${read.detail}`)
  return read.value
}

export interface Source {
  readonly name: string
  readonly stream: Readable
  /** Null for stdin and pipes, whose size is unknown. */
  readonly bytes: number | null
}

/** A file, or stdin for `-`, to be streamed. */
export async function openSource(path: string): Promise<Source> {
  if (path === '-') return { name: 'stdin', stream: process.stdin, bytes: null }
  try {
    const { size } = await stat(path)
    return { name: path, stream: createReadStream(path), bytes: size }
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * A secret from a file, or from stdin for `-`, by the rule of `parseSecret`. Never an argument, because every user
 * of the machine can see the arguments of a process.
 */
export async function readSecret(path: string): Promise<string> {
  const parsed = parseSecret(await readText(path))
  if (!parsed.ok) throw new UsageError(`${nameOf(path)}: ${parsed.detail}`)
  return parsed.secret
}

function nameOf(path: string): string {
  return path === '-' ? 'stdin' : path
}

function unreadable(path: string, error: unknown): UsageError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const why = code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'permission denied' : String(code)
  return new UsageError(`cannot read ${path}: ${why}`)
}
