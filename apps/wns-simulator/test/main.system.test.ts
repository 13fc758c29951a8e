import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const mainFile = fileURLToPath(new URL('../src/main.ts', import.meta.url))

interface Started {
  readonly child: ChildProcess
  readonly folder: string
  readonly output: () => string
  readonly exit: Promise<unknown[]>
}

async function start(flags: string[]): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'wns-simulator-'))
  const child = spawn(process.execPath, [mainFile, ...flags.map((flag) => flag.replace('FOLDER', folder))])
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const exit = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exit
    await rm(folder, { recursive: true })
  })
  return { child, folder, output: () => output, exit }
}

async function ready(started: Started): Promise<void> {
  while (!started.output().includes('\n')) await once(started.child.stdout ?? started.child, 'data')
}

test('it prints its address in one line, and SIGTERM ends it and removes its file', async () => {
  const started = await start(['--ca-file', 'FOLDER/ca.pem'])
  await ready(started)

  const info = JSON.parse(started.output())
  expect(info).toEqual({
    host: '127.0.0.1',
    port: expect.any(Number),
    caFile: join(started.folder, 'ca.pem'),
    control: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
  })
  expect((await stat(info.caFile)).mode & 0o777).toBe(0o600)
  expect(await readdir(started.folder)).toEqual(['ca.pem'])
  started.child.kill('SIGTERM')

  expect(await started.exit).toEqual([0, null])
  expect(await readdir(started.folder)).toEqual([])
})

test('with --exit-with-stdin it ends when its standard input closes', async () => {
  const started = await start(['--ca-file', 'FOLDER/ca.pem', '--exit-with-stdin'])
  await ready(started)

  started.child.stdin?.end()

  expect(await started.exit).toEqual([0, null])
})

test('it ends when its parent has ended', async () => {
  const parent = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
  const started = await start(['--ca-file', 'FOLDER/ca.pem', '--parent-pid', String(parent.pid)])
  await ready(started)

  parent.kill('SIGKILL')

  expect(await started.exit).toEqual([0, null])
})

test.each([
  { flags: [], reason: /--ca-file is required/ },
  {
    flags: ['--ca-file', 'FOLDER/ca.pem', '--port', '70000'],
    reason: /--port must be a whole number from 0 to 65535; found "70000"/,
  },
  { flags: ['--ca-file', 'FOLDER/missing/ca.pem'], reason: /ENOENT/ },
  { flags: ['--surprise'], reason: /--surprise/ },
])('wrong flags $flags end it with code 2 and a reason', async ({ flags, reason }) => {
  const started = await start(flags)

  expect(await started.exit).toEqual([2, null])
  expect(started.output()).toMatch(reason)
})

test('--version shows the version of the manifest', async () => {
  const started = await start(['--version'])

  expect(await started.exit).toEqual([0, null])
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8'))
  expect(started.output()).toBe(`${manifest.version}\n`)
})

test('--help explains every flag', async () => {
  const started = await start(['--help'])

  expect(await started.exit).toEqual([0, null])
  expect(started.output()).toMatch(
    /--ca-file[^]*--host[^]*--port[^]*--control-port[^]*--parent-pid[^]*--exit-with-stdin/,
  )
})

test('started twice with one identity file, it is trusted by the same certificate', async () => {
  const first = await start(['--ca-file', 'FOLDER/ca.pem', '--identity-file', 'FOLDER/identity.json'])
  await ready(first)
  const ca = await readFile(join(first.folder, 'ca.pem'), 'utf8')
  first.child.kill('SIGTERM')
  expect(await first.exit).toEqual([0, null])
  const identity = join(first.folder, 'identity.json')
  const second = await start(['--ca-file', 'FOLDER/ca.pem', '--identity-file', identity])
  await ready(second)
  expect(await readFile(join(second.folder, 'ca.pem'), 'utf8')).toBe(ca)
})
