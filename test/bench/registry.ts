import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { CliStack } from '../e2e/support.ts'
import { parse, startCli, startCliStack } from '../e2e/support.ts'
import { residentBytes } from '../support/memory.ts'
import { postgresFolders, startPostgres } from '../support/postgres.ts'
import { rounded } from './support/campaign.ts'
import { spread } from './support/cpu.ts'
import { deviceRow, HEADER, MAPPING } from './support/device-table.ts'
import { startProbe } from './support/probe.ts'

export interface RegistryBenchOptions {
  readonly channels: number
  readonly rounds: number
  readonly say: (line: string) => void
}

const run = promisify(execFile)

/**
 * A table of devices goes in and comes out: bytes of Redis for each channel, and channels per second by the command
 * line, against a loop that reads the same file and stores each row as one hash with pipelined `HSET`.
 */
export async function benchRegistry({ channels, rounds, say }: RegistryBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startCliStack(['--workers', '1'])
  const redis = new Redis((await stack.now()).redis)
  const file = join(stack.folder.path, 'devices.csv')
  const uriBytes = await writeTable(file, channels)
  say(`${channels} rows, URIs of ${rounded(uriBytes / channels)} bytes, ${rounds} rounds in turn`)
  const figures = { import: [] as number[], bare: [] as number[], export: [] as number[], postgres: [] as number[] }
  const bytes: number[] = []
  const memory: number[] = []
  const slowdowns: number[] = []
  await using database = await openDatabase(file, say)
  for (let round = 1; round <= rounds; round += 1) {
    figures.bare.push(await bareLoop(stack, file, `bare-${round}:`))
    const used = await usedMemory(redis)
    const quiet = await startProbe(stack.api)
    const quietP99Ms = await quiet.stop(1000)
    const busy = await startProbe(stack.api)
    const imported = await importTable(stack, `file-${round}`, [file], channels)
    slowdowns.push((await busy.stop()) / quietP99Ms)
    bytes.push(((await usedMemory(redis)) - used - uriBytes) / channels)
    figures.import.push(imported.perSecond)
    memory.push(imported.peakMb)
    figures.export.push(await exportTable(stack, `file-${round}`, channels))
    if (database !== undefined) {
      const query = ['--from', database.url, '--query', `select ${HEADER.join(', ')} from devices`]
      figures.postgres.push((await importTable(stack, `postgres-${round}`, query, channels)).perSecond)
    }
    const latest = Object.entries(figures).map(([name, all]) => [name, Math.round(all.at(-1) ?? 0)])
    say(`round ${round}: ${JSON.stringify(Object.fromEntries(latest))} channels a second`)
  }
  await redis.quit()
  const medians = Object.fromEntries(Object.entries(figures).map(([name, all]) => [name, spread(all)]))
  return {
    bench: 'registry',
    channels,
    rounds,
    uriBytes: rounded(uriBytes / channels),
    overheadBytes: rounded(spread(bytes).median),
    vsBareHset: ratio(figures.import, figures.bare),
    postgresVsFile: database === undefined ? null : ratio(figures.postgres, figures.import),
    exportVsImport: ratio(figures.export, figures.import),
    apiP99Ratio: rounded(spread(slowdowns).median),
    importPeakMb: Math.max(...memory),
    channelsPerSecond: medians,
  }
}

function ratio(of: readonly number[], to: readonly number[]): number {
  return rounded(spread(of).median / spread(to).median)
}

/** @returns the bytes of all URIs */
async function writeTable(file: string, channels: number): Promise<number> {
  let uriBytes = 0
  await pipeline(function* rows() {
    yield `${HEADER.join(',')}\n`
    for (let n = 0; n < channels; n += 1) {
      const row = deviceRow(n)
      uriBytes += row.channel_url.length
      yield `${HEADER.map((column) => row[column]).join(',')}\n`
    }
  }, createWriteStream(file))
  return uriBytes
}

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
}

interface Imported {
  readonly perSecond: number
  /** The most memory that the command occupied. */
  readonly peakMb: number
}

/** The command that an operator types, its start included. */
async function importTable(
  stack: CliStack,
  app: string,
  source: readonly string[],
  channels: number,
): Promise<Imported> {
  await stack.api.putApp(app, {
    credentials: { kind: 'store', packageSid: 'S-1-15-2-7', clientSecret: 'bench-secret' },
  })
  const startedMs = performance.now()
  const running = startCli(['channels', 'import', ...source, '--app', app, ...MAPPING, '--json'], {
    cwd: stack.folder.path,
  })
  running.child.stdin?.end()
  let peakMb = 0
  const timer = setInterval(() => {
    void residentBytes(running.child.pid ?? 0).then(
      ({ peak }) => (peakMb = Math.max(peakMb, Math.round(peak / 1024 ** 2))),
      // It has just ended.
      () => {},
    )
  }, 100)
  const { code } = await running.ended
  clearInterval(timer)
  if (code !== 0) throw new Error(`the import ended with ${code}: ${running.output().slice(-2000)}`)
  const seconds = (performance.now() - startedMs) / 1000
  const { count } = await stack.api.countChannels(app, { all: true })
  if (count !== channels) throw new Error(`${count} of ${channels} channels were imported`)
  return { perSecond: channels / seconds, peakMb }
}

async function exportTable({ api }: CliStack, app: string, channels: number): Promise<number> {
  const startedMs = performance.now()
  let count = 0
  for await (const { channel } of api.exportChannels(app)) if (channel !== '') count += 1
  if (count !== channels) throw new Error(`${count} of ${channels} channels were exported`)
  return (channels * 1000) / (performance.now() - startedMs)
}

async function bareLoop(stack: CliStack, file: string, prefix: string): Promise<number> {
  const script = fileURLToPath(new URL('contenders/bare-hset.ts', import.meta.url))
  const startedMs = performance.now()
  const { stdout } = await run(process.execPath, [
    '--conditions=@wns-fanout/source',
    script,
    (await stack.now()).redis,
    file,
    prefix,
  ])
  const { rows } = parse<{ readonly rows: number }>(stdout)
  return (rows * 1000) / (performance.now() - startedMs)
}

/** The same table in PostgreSQL, where this machine has one. */
async function openDatabase(
  file: string,
  say: (line: string) => void,
): Promise<(AsyncDisposable & { readonly url: string }) | undefined> {
  const [folder] = postgresFolders()
  if (folder === undefined) {
    say('this machine has no PostgreSQL: postgresVsFile is not measured')
    return undefined
  }
  const database = await startPostgres(folder)
  await database.sql(`create table devices (${HEADER.map((column) => `${column} text`).join(', ')})`)
  await database.sql(`\\copy devices from '${file}' with (format csv, header)`)
  return database
}
