import { setTimeout as sleep } from 'node:timers/promises'
import { ApiError } from '@wns-fanout/client'
import type { Client } from '@wns-fanout/client'
import type { ImportError, ImportResult, OddFieldPolicy, TableMapping, TableRow } from '@wns-fanout/domain'
import { mapRow } from '@wns-fanout/domain'

export interface TableImportOptions {
  readonly importId: string
  readonly isDryRun: boolean
  readonly oddFields: OddFieldPolicy
  /** Null sends the rows as they are. */
  readonly mapping: TableMapping | null
  /** Called with the text of each row that was rejected, in the order of the file. */
  readonly onRejected: (row: TableRow) => Promise<void>
  readonly onRows: (done: number) => void
}

export interface TableImport {
  readonly result: ImportResult
  /** Free texts of which a tag was made, with the tag; null where none could be made. The first 1,000. */
  readonly madeTags: ReadonlyMap<string, string | null>
}

const MAX_MADE_TAGS = 1000
const MAX_ERRORS = 100

/**
 * Upload the rows of a table, run by run, as one import. The next run is read when the last one is registered, so the
 * memory holds one run.
 */
export async function importTable(
  api: Client,
  app: string,
  runs: AsyncIterable<readonly TableRow[]>,
  options: TableImportOptions,
): Promise<TableImport> {
  const madeTags = new Map<string, string | null>()
  const total = emptyResult()
  const errors = new Map<string, ImportError>()
  let done = 0
  const addError = ({ line, code, detail, count }: ImportError): void => {
    const key = `${code} ${detail}`
    const known = errors.get(key)
    if (known === undefined && errors.size >= MAX_ERRORS) return
    errors.set(key, { line: known?.line ?? line, code, detail, count: count + (known?.count ?? 0) })
  }
  for await (const run of runs) {
    const texts = run.map((row) => (row.isRow ? JSON.stringify(lineOf(row, options.mapping, madeTags)) : BROKEN))
    const part = await upload(api, app, texts, options)
    for (const name of counted) total[name] += part[name]
    total.skippedFields += part.skippedFields ?? 0
    const broken = new Set(run.flatMap(({ isRow }, at) => (isRow ? [] : [at])))
    for (const { line, code, detail, count } of part.errors)
      // The reader of the file explains a row that it could not read.
      if (detail !== BROKEN_DETAIL && !broken.has(line - 1))
        addError({ line: run[line - 1]?.line ?? line, code, detail, count })
    for (const at of broken) {
      const row = run[at]
      if (row !== undefined && 'code' in row.row)
        addError({ line: row.line, code: String(row.row['code']), detail: String(row.row['detail']), count: 1 })
    }
    for (const move of part.moves)
      if (total.moves.length < MAX_ERRORS) total.moves.push({ ...move, line: run[move.line - 1]?.line ?? move.line })
    for (const line of part.rejectedLines ?? []) {
      const row = run[line - 1]
      if (row !== undefined) await options.onRejected(row)
    }
    done += run.length
    options.onRows(done)
  }
  const { skippedFields, ...rest } = total
  const result = { ...rest, errors: [...errors.values()], ...(skippedFields === 0 ? {} : { skippedFields }) }
  return { result, madeTags }
}

// Stands for a row that could not be read, so that the API counts it.
const BROKEN = '0'
const BROKEN_DETAIL = 'the line is not a JSON object'
const counted = ['created', 'updated', 'unchanged', 'duplicates', 'rejected', 'moved'] as const

function emptyResult() {
  return {
    created: 0,
    updated: 0,
    unchanged: 0,
    duplicates: 0,
    rejected: 0,
    moved: 0,
    skippedFields: 0,
    moves: [] as ImportResult['moves'][number][],
  }
}

function lineOf(row: TableRow, mapping: TableMapping | null, madeTags: Map<string, string | null>): object {
  if (mapping === null) return row.row
  const mapped = mapRow(row.row as Readonly<Record<string, unknown>>, mapping)
  for (const [text, tag] of mapped.madeTags) if (madeTags.size < MAX_MADE_TAGS) madeTags.set(text, tag ?? null)
  return mapped.line
}

async function upload(
  api: Client,
  app: string,
  texts: readonly string[],
  { importId, isDryRun, oddFields }: TableImportOptions,
): Promise<ImportResult> {
  const text = texts.map((line) => `${line}\n`).join('')
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await api.importChannels(app, [text], { type: 'ndjson', importId, dryRun: isDryRun, oddFields })
    } catch (error) {
      // Repeating a run changes nothing; its channels then count as duplicates.
      if (attempt >= ATTEMPTS || (error instanceof ApiError && error.status < 500)) throw error
      await sleep(500 * 2 ** attempt)
    }
  }
}

const ATTEMPTS = 4
