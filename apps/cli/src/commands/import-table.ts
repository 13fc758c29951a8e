import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Client } from '@wns-fanout/client'
import type { TableRow } from '@wns-fanout/domain'
import { databaseUrl } from '../connection.ts'
import type { Context } from '../context.ts'
import { UsageError } from '../failure.ts'
import type { MappingOptions } from '../input/mapping.ts'
import { mappingOf, requiredColumns } from '../input/mapping.ts'
import { postgresRows } from '../input/postgres.ts'
import { openSource } from '../input/read.ts'
import { readSince, writeSince } from '../input/since-file.ts'
import type { TableImport } from '../input/table-import.ts'
import { importTable } from '../input/table-import.ts'
import { fileRows } from '../input/table-source.ts'
import { formatBytes, formatCount } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'

export interface TableOptions extends MappingOptions {
  readonly app: string
  readonly skipOddFields?: true
  readonly dryRun?: true
  readonly rejects?: string
  readonly from?: string
  readonly query?: string
  readonly sinceColumn?: string
  readonly state?: string
}

export interface TableFile {
  readonly path: string
  readonly format: 'ndjson' | 'csv'
  readonly isGzip: boolean
}

/** Whether an import needs its rows mapped or watched, so that the CLI reads the file itself. */
export function isTable(options: TableOptions): boolean {
  const { map, tagFrom, var: vars, null: nulls, rejects, from } = options
  return [map, tagFrom, vars, nulls, rejects, from].some((option) => option !== undefined)
}

/** Import the rows of a file or of a query of PostgreSQL. */
export async function importRows(
  context: Context,
  api: Client,
  file: TableFile | null,
  options: TableOptions,
  importId: string = randomUUID(),
): Promise<TableImport> {
  const progress = createProgress(context.screen, 'import')
  const rejects = options.rejects === undefined ? null : createWriteStream(options.rejects)
  // A file that cannot be written fails at its first row, or here.
  if (rejects !== null)
    await once(rejects, 'open').catch((error: NodeJS.ErrnoException) => {
      throw new UsageError(`cannot write ${options.rejects}: ${String(error.code)}`)
    })
  const write = async (text: string): Promise<void> => {
    if (rejects !== null && !rejects.write(text)) await once(rejects, 'drain')
  }
  const isCsv = file?.format === 'csv'
  let header = ''
  let step: { done: number; total: number | null; note: string } = { done: 0, total: null, note: '' }
  const runs =
    file === null
      ? await databaseRows(context, options)
      : fileRows(await openSourceOf(file, (total) => (step = { ...step, total })), {
          format: file.format,
          isGzip: file.isGzip,
          columns: requiredColumns(options, isCsv),
          onHeader: (text) => (header += text),
          onBytes: (bytes) => (step = { ...step, done: bytes, note: formatBytes(bytes) }),
        })
  const isAsGiven = file?.format === 'ndjson' && ![options.map, options.tagFrom, options.var].some(Boolean)
  try {
    return await importTable(api, options.app, runs, {
      importId,
      isDryRun: options.dryRun === true,
      oddFields: options.skipOddFields === true ? 'skip-field' : 'strict',
      mapping: isAsGiven ? null : mappingOf(options, isCsv),
      onRejected: async ({ text }: TableRow) => {
        await write(`${header}${text}\n`)
        header = ''
      },
      onRows: (rows) =>
        progress.update({ ...step, note: `${step.note}${step.note === '' ? '' : ', '}${formatCount(rows)} rows` }),
    })
  } finally {
    progress.end()
    if (rejects !== null) await new Promise<void>((resolve) => rejects.end(() => resolve()))
  }
}

async function openSourceOf(file: TableFile, onSize: (bytes: number | null) => void) {
  const source = await openSource(file.path)
  onSize(source.bytes)
  return source
}

async function databaseRows(context: Context, options: TableOptions) {
  const { from = '', query, sinceColumn } = options
  if (query === undefined)
    throw new UsageError('--from needs --query, such as --query "select id as channel, uri from devices"')
  const url = databaseUrl(from)
  const state = options.state ?? join(context.folder.path, `since-${options.app}-${digestOf(query)}.json`)
  const isIncremental = sinceColumn !== undefined
  return postgresRows({
    url,
    query,
    columns: requiredColumns(options, false),
    sinceColumn,
    since: isIncremental ? await readSince(state) : undefined,
    onSince: async (since) => {
      // A dry run uses no row, so the next run must see them all.
      if (isIncremental && options.dryRun !== true) await writeSince(state, since)
    },
    onReconnect: (message) => context.screen.say(message),
  })
}

function digestOf(query: string): string {
  return createHash('sha256').update(query).digest('hex').slice(0, 8)
}
