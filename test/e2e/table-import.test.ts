import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImportLine } from '@wns-fanout/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '@wns-fanout/testing'
import { postgresFolders, startPostgres } from '../support/postgres.ts'
import type { Postgres } from '../support/postgres.ts'
import type { Finished, CliStack } from './support.ts'
import { parse, runCli, startCliStack } from './support.ts'

// A table of devices as its owner has it, imported by the command line.
let stack: CliStack
beforeAll(async () => {
  stack = await startCliStack(['--workers', '1'])
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

async function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return await runCli(args, { cwd: stack.folder.path, env })
}
async function file(name: string, text: string): Promise<string> {
  await writeFile(join(stack.folder.path, name), text)
  return name
}
async function app(name: string): Promise<void> {
  const credentials = { kind: 'store', packageSid: 'S-1-15-2-7', clientSecret: 'a-secret' } as const
  await stack.api.putApp(name, { credentials })
}
/** The lines of an export without their times. */
async function exported(name: string): Promise<ImportLine[]> {
  const lines: ImportLine[] = []
  for await (const { registeredAt: _, ...line } of stack.api.exportChannels(name)) lines.push(line)
  return lines
}
function uriOf(id: string): string {
  return `https://db5p.notify.windows.com/?token=ok.any.${id}`
}

const mapped = [
  '--map',
  'channel=device_id,uri=channel_url,locale=language',
  '--tag-from',
  'city,language',
  '--var',
  'city',
]

test('a CSV with its own header is mapped, and its rejected lines are in a file', async () => {
  await app('weather')
  const rows = [
    'Device_ID,channel_url,language,city,owner',
    `1,${uriOf('1')},pt-BR,São Paulo,x`,
    `2,${uriOf('2')},NULL,Москва,x`,
    '3,https://example.com/,it,Roma,x',
    `4,${uriOf('4')},it`,
    `5,${uriOf('5')},it,Roma,x`,
  ]
  const devices = await file('devices.csv', `${rows.join('\n')}\n`)
  const options = ['channels', 'import', devices, '--app', 'weather', ...mapped, '--rejects', 'rejected.csv']

  const strict = await cli([...options, '--json'])
  expect(strict.code).toBe(1)
  expect(strict.stderr).toContain('2 lines were not imported')
  const lenient = await cli([...options, '--max-rejected', '2'])

  expect(lenient).toMatchObject({ code: 0, stderr: '' })
  expect(lenient.stdout).toContain('São Paulo → sao-paulo')
  expect(lenient.stdout).toContain('Москва → (no tag')
  expect(lenient.stdout).toMatch(/line 5: the line has 3 columns and the header has 5/)
  expect(await readFile(join(stack.folder.path, 'rejected.csv'), 'utf8')).toBe(`${rows[0]}\n${rows[3]}\n${rows[4]}\n`)
  expect(await exported('weather')).toEqual([
    { channel: '1', uri: uriOf('1'), tags: ['sao-paulo', 'pt-br'], locale: 'pt-BR', vars: { city: 'São Paulo' } },
    { channel: '2', uri: uriOf('2'), vars: { city: 'Москва' } },
    { channel: '5', uri: uriOf('5'), tags: ['roma', 'it'], locale: 'it', vars: { city: 'Roma' } },
  ])
})

test('a column that is not there is named before anything is imported', async () => {
  await app('typo')
  const devices = await file('typo.csv', `device_id,uri\n1,${uriOf('1')}\n`)
  const answer = await cli(['channels', 'import', devices, '--app', 'typo', ...mapped])
  expect(answer.code).toBe(2)
  expect(answer.stderr).toMatch(/the column "channel_url" is missing.*the column "city" is missing/)
  expect(await exported('typo')).toEqual([])
})

test('channels that are not in the file are removed, after a dry run', async () => {
  await app('sync')
  const all = Array.from({ length: 20 }, (_, at) => JSON.stringify({ channel: `d${at}`, uri: uriOf(`s${at}`) }))
  await cli(['channels', 'import', await file('all.ndjson', all.join('\n')), '--app', 'sync'])
  const fewer = await file('fewer.ndjson', all.slice(0, 15).join('\n'))
  const options = ['channels', 'import', fewer, '--app', 'sync', '--replace-missing']

  const dry = await cli([...options, '--dry-run', '--json'])
  expect(parse(dry.stdout)).toMatchObject({ unchanged: 15, created: 0, registered: 20, missing: 5, removed: 0 })
  const refused = await cli(options)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('5 of 20 channels are missing')
  expect(await exported('sync')).toHaveLength(20)
})

test('a list is uploaded from a column of a table', async () => {
  await app('lists')
  const lines = [0, 1].map((id) => JSON.stringify({ channel: `d${id}`, uri: uriOf(`l${id}`) }))
  await cli(['channels', 'import', await file('lists.ndjson', lines.join('\n')), '--app', 'lists'])
  const table = await file('winners.csv', 'Name;Device_ID\nAda;d0\nBob;d1\nEve;unknown\n')
  const options = ['lists', 'put', 'winners', table, '--app', 'lists', '--json', '--map']
  expect(parse((await cli([...options, 'channel=device_id'])).stdout)).toEqual({ list: 'winners', size: 2, unknown: 1 })
  expect((await cli([...options, 'channel=device'])).stderr).toContain(
    'the first line must name the columns, at least device',
  )
})

test('many channels change by a file of ids and by tags', async () => {
  await app('bulk')
  const lines = [0, 1, 2].map((id) => JSON.stringify({ channel: `d${id}`, uri: uriOf(`b${id}`) }))
  await cli(['channels', 'import', await file('bulk.ndjson', lines.join('\n')), '--app', 'bulk'])
  const ids = await file('ids.txt', 'd0\nd1\nunknown\n')
  expect((await cli(['channels', 'tag', 'vip,rome', '--app', 'bulk', '--ids', ids])).stdout).toContain(
    '2 updated, 0 unchanged, 1 unknown',
  )
  expect(await cli(['channels', 'opt-out', 'd0', '--app', 'bulk'])).toMatchObject({ code: 0 })
  expect((await cli(['channels', 'delete', '--tags', 'vip', '--app', 'bulk'])).stderr).toContain('--yes')
  const removed = await cli(['channels', 'delete', '--tags', 'vip', '--app', 'bulk', '--yes', '--json'])
  expect(parse(removed.stdout)).toMatchObject({ matched: 2, updated: 2 })
  expect(await exported('bulk')).toEqual([
    { channel: 'd0', optedOut: true },
    { channel: 'd2', uri: uriOf('b2') },
  ])
  expect((await cli(['channels', 'tag', 'vip', '--app', 'bulk'])).code).toBe(2)
})

test('opt-outs of a topic are set, counted, shown and listed by the command line', async () => {
  await app('outs')
  const lines = [0, 1, 2].map((id) => JSON.stringify({ channel: `d${id}`, uri: uriOf(`o${id}`) }))
  await cli(['channels', 'import', await file('outs.ndjson', lines.join('\n')), '--app', 'outs'])
  const table = await file('outs.csv', 'device;no_topics\nd2;sport,weather\n')
  const map = 'channel=device,optedOutOf=no_topics'
  expect(await cli(['channels', 'import', table, '--app', 'outs', '--map', map])).toMatchObject({ code: 0 })
  await cli(['channels', 'opt-out', 'd0', '--app', 'outs', '--topic', 'weather'])
  await cli(['channels', 'opt-out', 'd1', '--app', 'outs'])
  expect((await cli(['channels', 'count', '--app', 'outs', '--topic', 'weather'])).stdout).toContain(
    '0 (and 1 that opted out, 2 that opted out of the topic)',
  )
  expect((await cli(['channels', 'get', 'd2', '--app', 'outs'])).stdout).toContain('sport, weather')
  const listed = await cli(['channels', 'list', '--app', 'outs', '--opted-out'])
  expect(listed.stdout.trim().split('\n')).toEqual([
    'd0  opted out of weather',
    'd1  opted out',
    'd2  opted out of sport, weather',
  ])
  expect((await cli(['channels', 'list', '--app', 'outs', '--topic', 'weather'])).code).toBe(2)
  await cli(['channels', 'opt-in', '--all', '--app', 'outs', '--topic', 'weather'])
  expect(await exported('outs')).toMatchObject([{ channel: 'd0' }, { optedOut: true }, { optedOutOf: ['sport'] }])
})

test('a template is stored, previewed for a channel and sent by its name', async () => {
  await app('named')
  const line = JSON.stringify({ channel: 'd0', uri: uriOf('n0'), vars: { city: 'Rome' } })
  await cli(['channels', 'import', await file('named.ndjson', line), '--app', 'named'])
  const notification = await file('forecast.json', '{"type": "raw", "text": "{{vars.city}}: {{vars.degrees}}"}')
  expect(await cli(['templates', 'put', 'forecast', notification, '--app', 'named'])).toMatchObject({ code: 0 })
  const shown = await cli(['templates', 'preview', 'forecast', '--app', 'named', '--channel', 'd0'])
  expect(shown.stdout).toMatch(/lacking +degrees/)
  expect(shown.stdout).toMatch(/body +Rome: /)
  const send = ['send', '--app', 'named', '--all', '--template', 'forecast', '--update', 'personalized']
  const refused = await cli([...send, '--missing', 'refuse'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('1 recipients have no value for degrees')
  const sent = await cli([
    ...send,
    '--missing',
    'fallback',
    '--fallback',
    'degrees=?',
    '--fallback',
    'city=?',
    '--detach',
  ])
  expect(sent.stderr).toBe('')
  expect(sent.code).toBe(0)
  expect((await cli([...send, '--ttl', '1h'])).stderr).toContain('--template cannot be combined')
})

describe.each(postgresFolders())('from PostgreSQL in %s', (folder) => {
  let database: Postgres
  beforeAll(async () => {
    database = await startPostgres(folder)
    await database.sql(`create table devices as select n as device_id,
        'https://db5p.notify.windows.com/?token=ok.any.p' || n as channel_url,
        case n % 2 when 0 then 'it' end as language,
        'São Paulo' as city, array['news'] as tags,
        now() - (20000 - n) * interval '1 second' as updated_at
      from generate_series(1, 12000) n`)
  })
  afterAll(async () => {
    await database?.[Symbol.asyncDispose]()
  })

  const query = 'select device_id, channel_url, language, city, tags, updated_at from devices;'
  const source = (name: string) => ['channels', 'import', '--app', name, ...mapped, '--query', query, '--json']

  test('a query is imported, and the next run takes what changed', async () => {
    await app('pg')
    const env = { DATABASE_URL: database.url }
    const options = [...source('pg'), '--from', 'env:DATABASE_URL', '--since-column', 'updated_at']

    const first = await cli(options, env)
    // An import that takes seconds reports its progress.
    expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/^(?:import +[\d,]+ rows\n)*$/) })
    expect(parse(first.stdout)).toMatchObject({ created: 12_000, rejected: 0, madeTags: { 'São Paulo': 'sao-paulo' } })
    expect((await exported('pg')).slice(0, 2)).toEqual([
      { channel: '1', uri: uriOf('p1'), tags: ['news', 'sao-paulo'], vars: { city: 'São Paulo' } },
      { channel: '2', uri: uriOf('p2'), tags: ['news', 'sao-paulo', 'it'], locale: 'it', vars: { city: 'São Paulo' } },
    ])
    await database.sql("update devices set city = 'Roma', updated_at = now() where device_id <= 3")
    // The last row of the first run is read again, since another may have the same time.
    expect(parse((await cli(options, env)).stdout)).toMatchObject({ created: 0, updated: 3, unchanged: 1 })
  })

  test('a wrong password, a missing column and a server that is away are clear, and no password is shown', async () => {
    await app('wrong')
    const missing = await cli([
      ...source('wrong').slice(0, -3),
      '--from',
      database.url,
      '--query',
      'select 1 as device_id',
    ])
    expect(missing.code).toBe(2)
    expect(missing.stderr).toMatch(/the query has no column channel_url, language, city; it has device_id/)
    const table = await cli([
      'channels',
      'import',
      '--app',
      'wrong',
      '--from',
      database.url,
      '--query',
      'select * from nothing',
    ])
    expect(table.code).toBe(1)
    expect(table.stderr).toContain('relation "nothing" does not exist')
    const away = await cli([
      'channels',
      'import',
      '--app',
      'wrong',
      '--from',
      'postgres://u:hidden@127.0.0.1:1/x',
      '--query',
      query,
    ])
    expect(away.stderr).toContain('no process listens there')
    const write = await cli([
      'channels',
      'import',
      '--app',
      'wrong',
      '--from',
      database.url,
      '--query',
      'delete from devices',
    ])
    expect(write.code).toBe(1)
    expect(await database.sql('select count(*) from devices')).toBe('12000\n')
    for (const { stdout, stderr } of [missing, table, away, write]) {
      expect(stdout + stderr).not.toContain(database.password)
      expect(stdout + stderr).not.toContain('hidden')
    }
  })

  test('an import whose connection is lost in the middle resumes', async () => {
    await app('lost')
    await database.sql('create table gate as select 1 as closed')
    await database.sql(`create function wait_at(n bigint) returns bigint language plpgsql as $$ begin
        while n = 8000 and exists (select from gate) loop perform pg_sleep(0.02); end loop; return n; end $$`)
    const slow = 'select wait_at(device_id) as channel, channel_url as uri from devices'
    const running = cli(['channels', 'import', '--app', 'lost', '--from', database.url, '--query', slow, '--json'])
    await until(async () => (await stack.api.app('lost')).channels === 5000)
    await database.endConnections()
    await database.sql('delete from gate')
    const answer = await running
    expect(answer).toMatchObject({ code: 0 })
    expect(parse(answer.stdout)).toMatchObject({ created: 12_000, duplicates: 5000, rejected: 0 })
  })
})
