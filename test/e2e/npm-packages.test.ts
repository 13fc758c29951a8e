import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder } from '@wns-fanout/local'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'

// The packages for npm, installed into an empty project outside of the workspace, without a registry.

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

let stack: TestStack
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let project: string

beforeAll(async () => {
  stack = await startTestStack()
  await registerApp(stack, 'news', ['ok', 'ok'])
  folder = await temporaryFolder('wns-fanout-npm-')
  const tarballs = join(folder.path, 'tarballs')
  await run(join(root, 'node_modules/.bin/tsc'), ['-b', 'packages/client'], { cwd: root })
  await run(process.execPath, ['infra/npm/src/main.ts', tarballs], { cwd: root })
  project = join(folder.path, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const files = (await readdir(tarballs)).filter((name) => name.endsWith('.tgz'))
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...files.map((name) => join(tarballs, name))], {
    cwd: project,
  })
}, 120_000)
afterAll(async () => {
  await folder[Symbol.asyncDispose]()
  await stack[Symbol.asyncDispose]()
})

async function inProject(command: string, args: readonly string[]): Promise<string> {
  const env = {
    ...process.env,
    WNS_FANOUT_URL: `${stack.apiAccess.url}/v1`,
    WNS_FANOUT_API_KEY: stack.apiAccess.apiKey,
  }
  return (await run(command, args, { cwd: project, env })).stdout
}

test('the packages bring nothing with them but the licenses of what they contain', async () => {
  const installed = await readdir(join(project, 'node_modules'))
  expect(installed.filter((name) => !name.startsWith('.')).toSorted()).toEqual(['@wns-fanout', 'wns-fanout'])
  const files = await readdir(join(project, 'node_modules/wns-fanout'))
  expect(files).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'THIRD-PARTY-NOTICES.md', 'dist']))
})

test('the command line shows its version, and works with an API', async () => {
  expect((await inProject('npx', ['--no-install', 'wns-fanout', '--version'])).trim()).toMatch(/^\d+\.\d+\.\d+$/)
  const listed = JSON.parse(await inProject('npx', ['--no-install', 'wns-fanout', 'app', 'list', '--json']))
  expect(listed.items).toMatchObject([{ app: 'news', channels: 2 }])
})

test('a command that runs the programs itself refers to a checkout', async () => {
  const failure = inProject('npx', ['--no-install', 'wns-fanout', 'demo', '--json'])
  await expect(failure).rejects.toMatchObject({ code: 1, stderr: expect.stringContaining('needs-checkout') })
})

test('the client works, and its types are complete', async () => {
  await writeFile(
    join(project, 'use.ts'),
    `import { ApiError, createClient } from '@wns-fanout/client'
import type { Client } from '@wns-fanout/client'

const api: Client = createClient({
  url: process.env['WNS_FANOUT_URL'] ?? '',
  apiKey: process.env['WNS_FANOUT_API_KEY'] ?? '',
})
const { channels } = await api.app('news')
const code = await api.app('nwes').catch((error: unknown) => (error instanceof ApiError ? error.code : undefined))
// @ts-expect-error -- a badge has no title
void (() => api.createCampaign('news', { notification: { type: 'badge', title: 'x' }, audience: { all: true } }))
const count: number = channels
console.log(JSON.stringify({ count, code }))
await api.close()
`,
  )
  expect(JSON.parse(await inProject(process.execPath, ['use.ts']))).toEqual({ count: 2, code: 'not-found' })

  const types = dirname(fileURLToPath(import.meta.resolve('@types/node/package.json')))
  await cp(types, join(project, 'node_modules/@types/node'), { recursive: true, dereference: true })
  await cp(join(types, '../../undici-types'), join(project, 'node_modules/undici-types'), {
    recursive: true,
    dereference: true,
  })
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', 'node', 'use.ts']
  await inProject(join(root, 'node_modules/.bin/tsc'), options)
})
