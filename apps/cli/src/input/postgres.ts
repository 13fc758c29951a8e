import { setTimeout as sleep } from 'node:timers/promises'
import type { Row, TableRow } from '@wns-fanout/domain'
import { Client, escapeIdentifier } from 'pg'
import type { ClientConfig, QueryResult } from 'pg'
import Cursor from 'pg-cursor'
import { Failure, UsageError } from '../failure.ts'
import { ROWS_PER_UPLOAD } from './table-source.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host/database`. It is never shown. */
  readonly url: string
  readonly query: string
  /** Columns that the query must have. */
  readonly columns: readonly string[]
  /** A column that grows with each change of a row: rows come in its order, and from `since` on. */
  readonly sinceColumn?: string | undefined
  readonly since?: string | undefined
  /** Called after rows were used, with the value from which the next run can start. */
  readonly onSince: (since: string) => Promise<void>
  readonly onReconnect: (message: string) => void
}

const SINCE = 'wns_fanout_since'
const ATTEMPTS = 5
const CONNECT_TIMEOUT_MS = 10_000

/**
 * The rows of a query, read by a cursor in a transaction that only reads. After a lost connection it reads on from the
 * last value of `sinceColumn`, or again from the first row, which an import repeats without harm. Throws `Failure`.
 */
export async function* postgresRows(options: PostgresOptions): AsyncGenerator<readonly TableRow[]> {
  const config = configOf(options.url)
  let { since } = options
  let line = 0
  let attempt = 0
  for (;;) {
    let isConnected = false
    try {
      for await (const rows of cursorRows(config, options, since, () => (isConnected = true))) {
        const last = rows.findLast((row) => typeof row[SINCE] === 'string')?.[SINCE]
        yield rows.map(({ [SINCE]: _, ...row }) => {
          line += 1
          return { line, text: JSON.stringify(row), row, isRow: true }
        })
        attempt = 0
        if (typeof last !== 'string') continue
        since = last
        await options.onSince(last)
      }
      return
    } catch (error) {
      if (error instanceof Failure || error instanceof UsageError) throw error
      // A first connection that fails is a wrong address; a later one is a database that restarts.
      if (!isLoss(error) || attempt >= ATTEMPTS || (attempt === 0 && !isConnected)) throw failureOf(error, config)
      attempt += 1
      options.onReconnect(`the connection to PostgreSQL was lost; attempt ${attempt} of ${ATTEMPTS} to connect again`)
      await sleep(500 * 2 ** attempt)
    }
  }
}

function configOf(url: string): ClientConfig {
  const parsed = URL.parse(url)
  // The text may hold a password, so it is not repeated.
  if (parsed === null || !/^postgres(?:ql)?:$/.test(parsed.protocol))
    throw new UsageError(
      '--from must be a URL such as postgres://user@host/database, or env:NAME of a variable with it',
    )
  return { connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true }
}

async function* cursorRows(
  config: ClientConfig,
  { query, sinceColumn, columns }: PostgresOptions,
  since: string | undefined,
  onConnected: () => void,
): AsyncGenerator<readonly Row[]> {
  const client = new Client(config)
  // Without a listener a connection that is lost between two reads would end the process.
  client.on('error', () => {})
  await client.connect()
  onConnected()
  try {
    await client.query('begin read only')
    const cursor = client.query(new Cursor<Row>(...statement(query, sinceColumn, since)))
    for (let isFirst = true; ; isFirst = false) {
      const { rows, fields } = await read(cursor)
      if (isFirst) requireColumns(columns, fields)
      if (rows.length === 0) break
      yield rows
    }
    await client.query('commit')
  } finally {
    await client.end().catch(() => {})
  }
}

function read(cursor: Cursor<Row>): Promise<{ readonly rows: Row[]; readonly fields: readonly string[] }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ rows: Row[]; fields: readonly string[] }>()
  cursor.read(ROWS_PER_UPLOAD, (error: Error | undefined, rows, result: QueryResult | undefined) => {
    if (error) reject(error)
    // After the last row there is no result.
    else resolve({ rows, fields: (result?.fields ?? []).map(({ name }) => name) })
  })
  return promise
}

function statement(query: string, sinceColumn: string | undefined, since: string | undefined): [string, unknown[]?] {
  const plain = query.trim().replace(/;\s*$/, '')
  if (sinceColumn === undefined) return [plain]
  const column = `q.${escapeIdentifier(sinceColumn)}`
  // Rows with the same value may be on both sides of a break, so it starts with that value again.
  const from = since === undefined ? '' : `where ${column} >= $1 `
  const text = `select q.*, ${column}::text as ${SINCE} from (${plain}\n) q ${from}order by ${column}`
  return since === undefined ? [text] : [text, [since]]
}

function requireColumns(columns: readonly string[], fields: readonly string[]): void {
  const lacking = columns.filter((column) => !fields.includes(column))
  if (lacking.length === 0) return
  throw new UsageError(
    `the query has no column ${lacking.join(', ')}; it has ${fields.filter((name) => name !== SINCE).join(', ')}. ` +
      'Name them with "as", or map them with --map',
  )
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError) return codeOf(error.errors[0])
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** Broken sockets, a server that stops or starts (57P0x), and connection exceptions (class 08). */
function isLoss(error: unknown): boolean {
  const code = codeOf(error)
  if (/^(?:E[A-Z]+|57P0[1-3]|08...)$/.test(code)) return true
  return error instanceof Error && /connection terminated|timeout expired|not queryable/i.test(error.message)
}

function failureOf(error: unknown, { connectionString = '' }: ClientConfig): Failure {
  const { hostname, port, pathname } = new URL(connectionString)
  const place = `PostgreSQL at ${hostname === '' ? 'the local socket' : `${hostname}:${port === '' ? '5432' : port}`}${pathname}`
  return new Failure('database', `${place}: ${reasonOf(error)}`)
}

function reasonOf(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return 'no process listens there; check the host and the port'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name does not exist'
  // What the server writes about names, rights and syntax holds no values of rows.
  if (/^(?:28|3D|42|25|0A)/.test(code)) return `${(error as Error).message} (${code}); check --from and --query`
  if (isLoss(error))
    return 'the connection was lost, or not made in time; run the import again, it starts where it stopped'
  return `the query failed with ${code === '' ? 'an error' : `SQLSTATE ${code}`}; try it with psql`
}
