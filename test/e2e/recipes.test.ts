import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cronError, isTimeZone } from '@wns-fanout/domain'
import { temporaryFolder } from '@wns-fanout/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { registerApp } from '../support/apps.ts'
import { postgresFolders, startPostgres } from '../support/postgres.ts'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'

// The blocks of docs/recipes.md, run where this machine can run them.

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

let stack: TestStack
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let page: string

beforeAll(async () => {
  page = await readFile(join(root, 'docs/recipes.md'), 'utf8')
  folder = await temporaryFolder('wns-fanout-recipes-')
  stack = await startTestStack()
  await stack.startWorker()
  await registerApp(stack, 'news', ['ok', 'ok'])
  const cli = `exec "${process.execPath}" --conditions=@wns-fanout/source "${root}apps/cli/src/main.ts"`
  await program('wns-fanout', `${cli} "$@"`)
  // As npx does it without an installation.
  await program('npx', `shift 2\n${cli} "$@"`)
  await writeFile(
    join(folder.path, 'devices.csv'),
    'channel,uri,tags\nlaptop-1,https://db5p.notify.windows.com/?token=ok.any.laptop-1,city-berlin\n',
  )
})
afterAll(async () => {
  await stack[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

async function program(name: string, script: string): Promise<string> {
  const path = join(folder.path, name)
  await writeFile(path, script.startsWith('#!') ? script : `#!/bin/sh\n${script}\n`)
  await chmod(path, 0o755)
  return path
}

/** The block of the page with this language or file name. */
function block(name: string): string {
  const found = [...page.matchAll(/^```(\w+)(?: file=(\S+))?\n([\s\S]*?)^```$/gm)].find(
    ([, language, file]) => (file ?? language) === name,
  )
  const text = found?.[3]
  if (text === undefined) throw new Error(`the page has no block ${name}`)
  return text
}

function access(): Record<string, string> {
  return { WNS_FANOUT_URL: stack.apiAccess.url, WNS_FANOUT_API_KEY: stack.apiAccess.apiKey }
}

async function shell(command: string, env: Readonly<Record<string, string>> = access()): Promise<string> {
  const path = `${folder.path}:${process.env['PATH']}`
  return (await run('/bin/sh', ['-c', command], { cwd: folder.path, env: { PATH: path, ...env } })).stdout
}

async function campaignsOf(topic: string): Promise<{ state: string; totals: { accepted: number } }[]> {
  return (await Array.fromAsync(stack.api.campaigns('news'))).filter((campaign) => campaign.topic === topic)
}

test('the nightly script imports the table and sends once a day', async () => {
  const script = await program('nightly.sh', block('nightly.sh'))
  await shell(script)
  await shell(script)
  expect(await stack.api.channel('news', 'laptop-1')).toMatchObject({ tags: ['city-berlin'] })
  expect(await campaignsOf('weather')).toMatchObject([{ state: 'completed', totals: { accepted: 1 } }])
})

test('the line of the crontab has a valid time, and runs the script with the variables of its file', async () => {
  const [, times = '', command = ''] = /^((?:\S+ ){5})(.*)$/m.exec(block('crontab')) ?? []
  expect(cronError(times.trim())).toBeUndefined()
  const script = await program('nightly.sh', block('nightly.sh'))
  const env = join(folder.path, 'nightly.env')
  await writeFile(
    env,
    Object.entries(access())
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  const here = command.replace('/etc/wns-fanout/nightly.env', env).replace('/usr/local/bin/nightly.sh', script)
  expect(here).not.toBe(command)
  await shell(here, {})
  expect(await campaignsOf('weather')).toHaveLength(1)
})

test('the systemd units run the same script at a time that systemd reads', async () => {
  const service = block('wns-fanout-nightly.service')
  const timer = block('wns-fanout-nightly.timer')
  for (const line of `${service}${timer}`.split('\n'))
    expect(line).toMatch(/^(\[(Unit|Service|Timer|Install)\]|[A-Z]\w+=\S.*|)$/)
  expect(service).toContain('ExecStart=/usr/local/bin/nightly.sh\n')
  const [, calendar = ''] = /^OnCalendar=(.*)$/m.exec(timer) ?? []
  expect(calendar).toMatch(/^\*-\*-\* \d\d:\d\d:\d\d \S+$/)
  expect(isTimeZone(calendar.split(' ').at(-1) ?? '')).toBe(true)
})

test('the step of the GitHub workflow sends a toast, once for a release', async () => {
  const { jobs } = parse(block('notify.yaml')) as {
    jobs: { toast: { steps: { run?: string; env?: Record<string, string> }[] } }
  }
  const step = jobs.toast.steps.find((each) => each.run !== undefined)
  expect(Object.keys(step?.env ?? {}).toSorted()).toEqual(['RELEASE', 'WNS_FANOUT_API_KEY', 'WNS_FANOUT_URL'])
  await shell(step?.run ?? '', { ...access(), RELEASE: 'v1.2.3' })
  await shell(step?.run ?? '', { ...access(), RELEASE: 'v1.2.3' })
  expect(await campaignsOf('releases')).toMatchObject([{ state: 'completed' }])
})

test('the container of the CronJob sends a badge', async () => {
  const { spec } = parse(block('cronjob.yaml')) as {
    spec: {
      schedule: string
      timeZone: string
      jobTemplate: { spec: { template: { spec: { containers: { args: string[]; env: { name: string }[] }[] } } } }
    }
  }
  expect(cronError(spec.schedule)).toBeUndefined()
  expect(isTimeZone(spec.timeZone)).toBe(true)
  const [container] = spec.jobTemplate.spec.template.spec.containers
  expect(container?.env.map(({ name }) => name)).toEqual(['WNS_FANOUT_URL', 'WNS_FANOUT_API_KEY'])
  await shell(container?.args[0] ?? '')
  expect(await campaignsOf('badge')).toMatchObject([{ state: 'completed' }])
})

test('the functions of the Airflow DAG create one campaign a day and wait for its end', async () => {
  await writeFile(join(folder.path, 'wns_fanout_client.py'), block('wns_fanout_client.py'))
  await writeFile(join(folder.path, 'forecast_dag.py'), block('forecast_dag.py'))
  const check = `import ast, time
from wns_fanout_client import is_finished, send_forecast
ast.parse(open("forecast_dag.py").read())
campaign = send_forecast("2026-03-01")
assert send_forecast("2026-03-01") == campaign
deadline = time.monotonic() + 60
while not is_finished(campaign):
    assert time.monotonic() < deadline
    time.sleep(0.2)
print(campaign)
`
  await writeFile(join(folder.path, 'check.py'), check)
  const campaign = (await shell('python3 check.py')).trim()
  expect(await stack.api.campaign(campaign)).toMatchObject({ state: 'completed', topic: 'forecast' })
})

test.for(postgresFolders())('the pipe from psql imports the table of %s', async (binaries) => {
  await using postgres = await startPostgres(binaries)
  await postgres.sql(
    "create table devices as select 'pg-' || n as device_id, 'de-DE' as language, " +
      "'https://db5p.notify.windows.com/?token=ok.any.pg-' || n as channel_url from generate_series(1, 3) n",
  )
  await shell(block('from-psql.sh'), { ...access(), DATABASE_URL: postgres.url })
  expect(await stack.api.channel('news', 'pg-3')).toMatchObject({ locale: 'de-DE' })
})
