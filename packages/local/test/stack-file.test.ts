import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type StackFile,
  type TemporaryFolder,
  readStackFile,
  removeStackFile,
  temporaryFolder,
  writeStackFile,
} from '../src/index.ts'

const stack: StackFile = {
  api: 'http://127.0.0.1:8080',
  apiKey: 'wf_canary',
  ops: { api: 'http://127.0.0.1:8081', workers: ['http://127.0.0.1:8082'] },
  redis: 'redis://:secret@127.0.0.1:6379',
  pids: { main: process.pid, api: 11, workers: [12, 13], redis: null, simulator: 14 },
  simulator: { host: '127.0.0.1', port: 8443, caFile: '/somewhere/ca.pem', control: 'http://127.0.0.1:8444' },
}

let folder: TemporaryFolder
let path: string
beforeEach(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, '.wns-fanout/stack.json')
})
afterEach(async () => {
  await folder.remove()
})

test('the file is readable only by its owner, and nothing else is left beside it', async () => {
  await writeStackFile(path, stack)
  expect(await readStackFile(path)).toEqual(stack)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder.path, '.wns-fanout'))).toEqual(['stack.json'])
})

test('a stack without simulator and Redis of its own has nulls', async () => {
  const plain: StackFile = { ...stack, pids: { ...stack.pids, simulator: null }, simulator: null }
  await writeStackFile(path, plain)
  expect(await readStackFile(path)).toEqual(plain)
})

test('a reader sees the old or the new file, never half of one', async () => {
  await writeStackFile(path, stack)
  const writing = new AbortController()
  const writer = (async () => {
    for (let run = 0; run < 100; run += 1) {
      await writeStackFile(path, { ...stack, pids: { ...stack.pids, workers: Array(run * 10).fill(7) } })
    }
    writing.abort()
  })()
  let reads = 0
  while (!writing.signal.aborted) {
    await readStackFile(path)
    reads += 1
  }
  await writer
  expect(reads).toBeGreaterThan(1)
})

test('without a file the error explains how to start a stack', async () => {
  await expect(readStackFile(path)).rejects.toMatchObject({
    code: 'stack-missing',
    message: `no stack runs here (${path} does not exist); start one with "pnpm start"`,
  })
})

test('a file whose main process is gone is called stale', async () => {
  // Above the highest process id that Linux gives.
  const pid = 2 ** 22 + 1
  await writeStackFile(path, { ...stack, pids: { ...stack.pids, main: pid } })
  await expect(readStackFile(path)).rejects.toMatchObject({
    code: 'stack-stale',
    message: `${path} belongs to a stack that has ended (process ${pid}); start one with "pnpm start"`,
  })
})

test.each<[what: string, text: string, problem: string]>([
  ['no JSON', 'api: x', 'it is not JSON'],
  ['another value', '[]', 'api must be a URL; found nothing'],
  ['a bad URL', JSON.stringify({ ...stack, api: 'nowhere' }), 'api must be a URL; found another string'],
  [
    'a pid as text',
    JSON.stringify({ ...stack, pids: { ...stack.pids, main: '1' } }),
    'pids.main must be a process id; found another string',
  ],
  [
    'a list of others',
    JSON.stringify({ ...stack, ops: { api: stack.api, workers: [1] } }),
    'ops.workers must be a list of URLs; found another list',
  ],
  [
    'a missing null',
    JSON.stringify({ ...stack, simulator: undefined }),
    'simulator.host must be a text; found nothing',
  ],
])('a damaged file is rejected with the problem and no value: %s', async (_what, text, problem) => {
  await writeStackFile(path, stack)
  await writeFile(path, text)
  const error: unknown = await readStackFile(path).catch((caught: unknown) => caught)
  expect(error).toMatchObject({ code: 'stack-invalid' })
  expect(String(error)).toContain(problem)
  expect(String(error)).not.toContain('canary')
})

test('removing twice works and leaves nothing', async () => {
  await writeStackFile(path, stack)
  await removeStackFile(path)
  await removeStackFile(path)
  await expect(readFile(path)).rejects.toThrow('ENOENT')
})
