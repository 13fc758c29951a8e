import { repeat, until } from '@wns-fanout/testing'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@wns-fanout/local'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Finished, CliStack } from './support.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { getText, parse, runCli, startCli, startCliStack, startCliStackIn } from './support.ts'

// The commands of an operator in the folder of a running stack: they find it by themselves.
let stack: CliStack
beforeAll(async () => {
  stack = await startCliStack(['--workers', '1'])
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
})

async function cli(args: readonly string[], input?: string): Promise<Finished> {
  return await runCli(args, { cwd: stack.folder.path, ...(input === undefined ? {} : { input }) })
}
async function file(name: string, text: string): Promise<string> {
  await writeFile(join(stack.folder.path, name), text)
  return name
}
function uri(behaviour: string, id: string): string {
  return `https://db5p.notify.windows.com/?token=${behaviour}.any.${id}`
}

test('from an app to the results of a campaign', async () => {
  const put = [
    'app',
    'put',
    'news',
    '--kind',
    'store',
    '--package-sid',
    'S-1-15-2-7',
    '--client-secret-file',
    '-',
    '--max-attempts',
    '2',
  ]
  const app = await cli([...put, '--json'], 'topsecret\n')
  expect(app).toMatchObject({ code: 0, stderr: '' })
  expect(parse(app.stdout)).toMatchObject({ app: 'news', maxAttempts: 2, credentials: { clientSecret: { set: true } } })
  expect(app.stdout).not.toContain('topsecret')

  const lines = ['ok', 'ok', 'gone', 'error'].map((behaviour, n) =>
    JSON.stringify({ channel: `d-${n}`, uri: uri(behaviour, `news-${n}`), tags: ['all'] }),
  )
  const devices = await file('devices.ndjson', `${lines.join('\n')}\nnot json\n`)
  const imported = await cli(['channels', 'import', devices, '--app', 'news'])
  expect(imported.code).toBe(1)
  expect(imported.stdout).toContain('4 created, 0 updated, 0 unchanged')
  expect(imported.stdout).toMatch(/line 5: /)
  expect(imported.stderr).toContain('1 lines were not imported')

  const dry = await cli(['send', '--app', 'news', '--badge', '1', '--all', '--dry-run', '--json'])
  expect(parse(dry.stdout)).toMatchObject({ audienceSize: 4 })
  const sent = await cli(['send', '--app', 'news', '--toast', 'Hello', '--line', 'world', '--tags', 'all'])
  expect(sent).toMatchObject({ code: 0, stderr: '' })
  expect(sent.stdout).toMatch(/^accepted +2/m)
  expect(sent.stdout).toMatch(/^dead +1/m)
  expect(sent.stdout).toMatch(/^failed +1/m)

  const again = await cli(['send', '--app', 'news', '--toast', 'Hello', '--all'])
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('--over-limit')
  const wrong = await cli(['send', '--app', 'news', '--toast', '', '--topic', 'A B', '--all', '--json'])
  expect(wrong).toMatchObject({ code: 1, stdout: '' })
  const { error } = parse<{ error: { code: string; errors: { pointer: string }[] } }>(wrong.stderr)
  expect(error.code).toBe('invalid')
  expect(error.errors.map(({ pointer }) => pointer).toSorted()).toEqual(['/notification/content/title', '/topic'])

  const listed = await cli(['campaigns', 'list', '--app', 'news', '--json'])
  const id = parse<{ items: { id: string }[] }>(listed.stdout).items[0]?.id ?? ''
  const results = await cli(['campaigns', 'results', id, '--csv'])
  expect(results.stdout.trim().split('\r\n').toSorted()).toEqual(
    [
      'channel,class,status,reason,posts',
      'd-0,accepted,200,,1',
      'd-1,accepted,200,,1',
      'd-2,dead,410,expired,1',
      'd-3,failed,,server-error,2',
    ].toSorted(),
  )
  const failed = await cli(['campaigns', 'results', id, '--class', 'failed'])
  expect(parse(failed.stdout)).toMatchObject({ channel: 'd-3', class: 'failed', posts: 2 })
  const samples = await cli(['campaigns', 'samples', id])
  expect(samples.stdout).toMatch(/^d-3 +500/m)

  const retried = await cli(['campaigns', 'retry-failed', id, '--json'])
  expect(retried.code).toBe(0)
  const updates = retried.stdout
    .trim()
    .split('\n')
    .map((line) => parse<{ parent: string; state: string; audienceSize: number | null }>(line))
  expect(updates.at(-1)).toMatchObject({ parent: id, state: 'completed', audienceSize: 1 })

  expect((await cli(['channels', 'count', '--app', 'news'])).stdout.trim()).toBe('3')
  const removed = await until('the removed channel is reported', async () => {
    const { stdout } = await cli(['events', 'list', '--app', 'news', '--type', 'channels.removed', '--json'])
    return parse<{ items: unknown[] }>(stdout).items[0]
  })
  expect(removed).toMatchObject({ type: 'channels.removed', data: { count: 1, channels: ['d-2'] } })
  const happened = (await cli(['events', 'list', '--app', 'news'])).stdout
  expect(happened).toMatch(new RegExp(`campaign\\.finished +${id}: completed, \\d of 4 accepted`))
  const exported = (await cli(['channels', 'export', '--app', 'news'])).stdout
  expect(exported.trim().split('\n')).toHaveLength(3)
  expect((await cli(['channels', 'get', 'd-2', '--app', 'news'])).code).toBe(1)
  expect((await cli(['channels', 'delete', 'd-0', '--app', 'news'])).code).toBe(0)
  expect((await cli(['channels', 'import', '-', '--app', 'news'], exported)).stdout).toContain(
    '1 created, 0 updated, 2 unchanged',
  )
})

test('a list that is uploaded is an audience', async () => {
  await registerApp(stack, 'listed', repeat(5, 'ok'))
  const bad = await cli(['lists', 'put', 'broken', '-', '--app', 'listed'], 'd0\n{"name":1}\n')
  expect(bad.code).toBe(1)
  expect(bad.stderr).toContain('/2: the line has no "channel"; wanted {"channel": "…"}')
  const made = await cli(['lists', 'put', 'winners', '-', '--app', 'listed', '--json'], 'd0\nd3\nunknown\n')
  expect(parse(made.stdout)).toMatchObject({ list: 'winners', unknown: 1 })
  const sent = await cli(['send', '--app', 'listed', '--badge', 'alert', '--list', 'winners', '--json'])
  expect(parse(sent.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({ state: 'completed', audienceSize: 2 })
  expect((await cli(['lists', 'delete', 'winners', '--app', 'listed'])).code).toBe(0)
  expect((await cli(['lists', 'get', 'winners', '--app', 'listed'])).code).toBe(1)
})

test('Ctrl-C ends the watching and not the campaign; pause, resume and cancel steer it', async () => {
  // Slow enough not to end before the commands below, however long they take to start.
  await registerApp(stack, 'slow', repeat(3000, 'slow-100'), { ratePerSecond: 10, burst: 10 })
  const watching = startCli(['send', '--app', 'slow', '--raw', 'x', '--all'], { cwd: stack.folder.path })
  const id = await until('it sends', async () => {
    for await (const campaign of stack.api.campaigns('slow'))
      if (campaign.totals.accepted > 0 && watching.output().includes(campaign.id)) return campaign.id
    return undefined
  })
  watching.child.kill('SIGINT')
  expect(await watching.ended).toMatchObject({ code: 0 })
  expect(watching.output()).toContain(`campaigns watch ${id}`)

  expect((await stack.api.campaign(id)).state).toBe('sending')
  expect((await cli(['campaigns', 'pause', id])).stdout).toMatch(/^state +paused/m)
  expect((await cli(['campaigns', 'resume', id])).code).toBe(0)
  expect((await cli(['campaigns', 'cancel', id])).stdout).toMatch(/^state +cancelled/m)
  const last = await finished(stack, id)
  expect(last.totals.accepted + last.totals.cancelled).toBe(3000)
  expect(last.totals.accepted).toBeGreaterThan(0)
  const watched = await cli(['campaigns', 'watch', id])
  expect(watched.code).toBe(1)
  expect(watched.stderr).toContain('ended as cancelled')
})

test('keys have only their rights, and revoked keys are rejected', async () => {
  const made = await cli(['keys', 'create', 'reader', '--apps', '*', '--verbs', 'read', '--json'])
  const { id, key } = parse<{ id: string; key: string }>(made.stdout)
  const asReader = { cwd: stack.folder.path, env: { WNS_FANOUT_API_KEY: key } }
  expect((await runCli(['app', 'list'], asReader)).code).toBe(0)
  const refused = await runCli(['app', 'delete', 'news'], asReader)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  const listed = (await cli(['keys', 'list'])).stdout
  expect(listed).toContain('reader')
  expect(listed).not.toContain(key)
  expect((await cli(['keys', 'revoke', id])).code).toBe(0)
  await until('the key is refused', async () =>
    (await runCli(['app', 'list'], asReader)).code === 1 ? true : undefined,
  )
  expect((await cli(['keys', 'create', 'x', '--apps', '*', '--verbs', 'fly'])).code).toBe(2)
  const unlimited = await cli(['keys', 'create', 'x'])
  expect(unlimited.code).toBe(2)
  expect(unlimited.stderr).toContain('--apps')
})

test('the first key of an installation is made beside its Redis, and only the first', async () => {
  const { redis } = await stack.now()
  const env = {
    REDIS_URL: redis,
    WNS_FANOUT_KEYRING_FILE: join(stack.folder.path, '.wns-fanout', 'keyring'),
    WNS_FANOUT_PREFIX: 'other:',
  }
  const cwd = stack.folder.path
  const first = await runCli(['keys', 'bootstrap', 'ops'], { cwd, env })
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(first.stdout).toMatch(/^\S{20,}\n$/)
  const second = await runCli(['keys', 'bootstrap', 'ops'], { cwd, env })
  expect(second).toMatchObject({ code: 1, stdout: '' })
  expect(second.stderr).toContain('--force')
  expect((await runCli(['keys', 'bootstrap', 'ops', '--force'], { cwd, env })).code).toBe(0)
})

test('the stack of the folder is used where REDIS_URL names no other Redis', async () => {
  const made = await runCli(['keys', 'bootstrap', 'ops', '--force'], { cwd: stack.folder.path })
  expect(made).toMatchObject({ code: 0, stderr: '' })
  const { api } = await stack.now()
  const env = { WNS_FANOUT_URL: api, WNS_FANOUT_API_KEY: made.stdout.trim() }
  expect(await runCli(['keys', 'list'], { cwd: stack.folder.path, env })).toMatchObject({ code: 0 })
})

test('a stack uses the Redis of REDIS_URL where one is given', async () => {
  const { redis } = await stack.now()
  await using folder = await temporaryFolder('wns-fanout-e2e-')
  const env = { REDIS_URL: redis, WNS_FANOUT_PREFIX: 'external:' }
  await using other = await startCliStackIn(folder, [], env)
  const { pids, redis: used, ...rest } = await other.now()
  expect(pids.redis).toBeNull()
  expect(used).toBe(redis)
  expect(rest).toMatchObject({ env: { WNS_FANOUT_PREFIX: 'external:' } })
  // Another prefix is another installation.
  expect((await runCli(['app', 'list', '--json'], { cwd: folder.path })).stdout).toBe('{"items":[]}\n')
})

test('doctor reports that Redis has lost its data', async () => {
  const { redis } = await stack.now()
  const connection = new Redis(redis)
  try {
    const dataSetId = (await connection.get('wf:data-set')) ?? ''
    await connection.del('wf:data-set')
    const lost = await cli(['doctor'])
    await connection.set('wf:data-set', dataSetId)
    expect(lost.code).toBe(1)
    expect(lost.stdout).toMatch(
      /^fail {2}API ready: Redis lost its data.*\n +→ restore Redis from a backup.*--accept-loss/m,
    )
    // Workers look twice a second.
    await until('all is well again', async () => ((await cli(['doctor'])).code === 0 ? true : undefined))
  } finally {
    connection.disconnect()
  }
})

test('doctor accepts a data loss after a confirmation, and the key of the stack works again', async () => {
  await registerApp(stack, 'mislaid', repeat(3, 'ok'))
  expect((await cli(['doctor', '--accept-loss'])).stdout).toBe('No data is missing, so there is no loss to accept.\n')
  const { redis, ops } = await stack.now()
  const connection = new Redis(redis)
  try {
    await connection.flushall()
    await until('it is noticed', async () => ((await connection.exists('wf:losses')) === 1 ? true : undefined))
  } finally {
    connection.disconnect()
  }
  const unsure = await cli(['doctor', '--accept-loss'])
  expect(unsure.code).toBe(1)
  expect(unsure.stdout).toMatch(
    /^The data set .* is missing since 2.*\n.*: 0 apps, 0 channels, 0 campaigns, 0 API keys\./,
  )
  expect(unsure.stderr).toMatch(/^wns-fanout: this is no terminal to confirm at, so nothing was changed; add --yes/)
  expect((await getText(`${ops.api}/readyz`)).includes('lost its data')).toBe(true)

  const sure = await cli(['doctor', '--accept-loss', '--yes', '--json'])
  expect(sure.code).toBe(0)
  expect(parse(sure.stdout)).toMatchObject({ missed: [{}], now: { apps: 0 }, accepted: true })
  await until('all is well again', async () => ((await cli(['doctor'])).code === 0 ? true : undefined))
  expect((await stack.now()).apiKey).toBe(stack.apiKey)
  await registerApp(stack, 'mislaid', repeat(3, 'ok'))
  const sent = await cli(['send', '--app', 'mislaid', '--badge', '1', '--all', '--json'])
  expect(parse(sent.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
    state: 'completed',
    totals: { accepted: 3 },
  })

  const wrong = [['--yes'], ['--accept-loss', '--app', 'mislaid']]
  for (const args of wrong) expect((await cli(['doctor', ...args])).code).toBe(2)
})

test('doctor reports why an app cannot send, and exits with 1', async () => {
  await stack.api.putApp('sick', {
    credentials: { kind: 'store', packageSid: 'S-1-15-2-13', clientSecret: 'bad-secret' },
  })
  const sick = await cli(['doctor', '--app', 'sick', '--channel', 'unknown'])
  expect(sick.code).toBe(1)
  expect(sick.stdout).toMatch(/^ok {4}stack: runs in/m)
  expect(sick.stdout).toMatch(/^ok {4}API ready: /m)
  expect(sick.stdout).toMatch(/^ok {4}worker 1 ready: /m)
  expect(sick.stdout).toMatch(/^fail {2}credentials of sick: .*\n +→ fix them/m)
  expect(sick.stdout).toMatch(/^warn {2}channels of sick: none/m)
  expect(sick.stdout).toMatch(/^fail {2}channel unknown: /m)
  expect(sick.stderr).toMatch(/^wns-fanout: 2 of \d+ checks failed\n$/)
  const verified = await cli(['app', 'verify', 'sick'])
  expect(verified.code).toBe(1)
})

test('doctor posts to one channel when asked to, and explains what WNS answered', async () => {
  await stack.api.putApp('probed', {
    credentials: { kind: 'store', packageSid: 'S-1-15-2-14', clientSecret: 'good-secret' },
  })
  for (const [channel, behaviour] of [
    ['sound', 'ok'],
    ['foreign', 'forbidden'],
    ['finished', 'gone'],
  ])
    await stack.api.putChannel('probed', channel ?? '', {
      uri: `https://db5p.notify.windows.com/?token=${behaviour}.any.probed-${channel}`,
    })
  const sound = await cli(['doctor', '--app', 'probed', '--channel', 'sound', '--post'])
  expect(sound.stdout).toMatch(/^ok {4}post to sound: WNS accepted it/m)
  expect(sound.code).toBe(0)
  const foreign = await cli(['doctor', '--app', 'probed', '--channel', 'foreign', '--post'])
  expect(foreign.stdout).toMatch(/^fail {2}post to foreign: WNS answered 403: .*another app.*from WNS: Channel URL/m)
  const gone = await cli(['doctor', '--app', 'probed', '--channel', 'finished', '--post'])
  expect(gone.stdout).toMatch(/^fail {2}post to finished: the channel expired \(410\)/m)
  expect(gone.code).toBe(1)
  expect((await cli(['doctor', '--post'])).code).toBe(2)
})
