import { execFile, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '@wns-fanout/local'
import { eventually } from '@wns-fanout/testing'

const run = promisify(execFile)
const PACKAGES = '/usr/lib/postgresql'
/** The user `nobody` of Debian: PostgreSQL refuses to run as root. */
const NOBODY = 65534

/** The folder with `initdb` and `postgres` of this machine, or none: tests run for each. */
export function postgresFolders(): readonly string[] {
  const packages = existsSync(PACKAGES) ? readdirSync(PACKAGES).map((version) => join(PACKAGES, version, 'bin')) : []
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...packages]
  return folders
    .filter((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')))
    .slice(0, 1)
}

export interface Postgres extends AsyncDisposable {
  readonly url: string
  readonly password: string
  /** Runs SQL with `psql`. */
  sql(text: string): Promise<string>
  /** Ends all connections, as a restart of the server does. */
  endConnections(): Promise<void>
}

/** A PostgreSQL on a free port of the loopback, with a password; gone when disposed. */
export async function startPostgres(folder: string): Promise<Postgres> {
  const data = await mkdtemp(join(tmpdir(), 'wns-fanout-postgres-'))
  const isRoot = process.getuid?.() === 0
  await chmod(data, 0o700)
  if (isRoot) await chown(data, NOBODY, NOBODY)
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {}
  const password = 'a-secret-of-the-test'
  const init = ['-D', data, '-U', 'tester', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C.UTF-8']
  await run(join(folder, 'initdb'), init, { ...identity, cwd: data })
  const port = await freePort()
  const server = spawn(
    join(folder, 'postgres'),
    ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', data, '-c', 'fsync=off'],
    { ...identity, cwd: data, stdio: 'ignore' },
  )
  const env = { ...process.env, PGPASSWORD: password }
  const sql = async (text: string): Promise<string> => {
    const args = ['-h', '127.0.0.1', '-p', String(port), '-U', 'tester', '-d', 'postgres', '-AtXqc', text]
    return (await run('psql', args, { env, maxBuffer: 1e9 })).stdout
  }
  await eventually('PostgreSQL answers', async () => await sql('select 1').catch(() => undefined))
  return {
    url: `postgres://tester:${password}@127.0.0.1:${port}/postgres`,
    password,
    sql,
    endConnections: async () => {
      await sql(
        'select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename is not null',
      )
    },
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
      await rm(data, { recursive: true, force: true })
    },
  }
}
