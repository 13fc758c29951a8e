import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readJson } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'

/** The value with which the last run of an import ended; undefined for the first run. */
export async function readSince(file: string): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new UsageError(`cannot read ${file}: ${String(error.code)}`)
  })
  if (text === undefined) return undefined
  const read = readJson(text)
  const value = read.ok ? read.value : undefined
  if (typeof value === 'object' && value !== null && 'since' in value && typeof value.since === 'string')
    return value.since
  throw new UsageError(`${file} is not a file of --state; delete it to import all rows again`)
}

/** Replaces the file at once, so that a crash leaves the old value or the new one. */
export async function writeSince(file: string, since: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.new`, `${JSON.stringify({ since })}\n`)
  await rename(`${file}.new`, file)
}
