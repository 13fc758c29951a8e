import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Probe, type RunResult, type TemporaryFolder, findRedis, temporaryFolder } from '../src/index.ts'
import { thisMachine } from '../src/probe.ts'
import { cacheDir } from './support.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await folder.remove()
})

const done: RunResult = { code: 0, stdout: '', stderr: '' }
function failed(stderr: string): RunResult {
  return { code: 100, stdout: '', stderr }
}

async function writeServer(file: string, version: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, `#!/bin/sh\necho "Redis server v=${version} sha=00000000:0 malloc=libc bits=64"\n`)
  await chmod(file, 0o755)
}

interface Machine {
  path?: string
  isRoot?: boolean
  /** What each `apt-get download` does, in turn. */
  downloads?: RunResult[]
  version?: string
  calls?: string[]
}

// A Debian whose packages are made up; whatever is not apt or dpkg really runs.
function debian({ path = '', isRoot = false, downloads = [], version = '7.0.15', calls = [] }: Machine): Probe {
  return {
    path,
    isRoot,
    async run(command, args, options = {}) {
      calls.push([command, args[0]].join(' '))
      if (command === 'apt-get' && args[0] === 'update') return done
      if (command === 'apt-get') {
        const result = downloads.shift() ?? done
        if (result.code === 0) await writeFile(join(options.cwd ?? '', 'redis-server.deb'), '')
        return result
      }
      if (command === 'dpkg-deb') {
        if (args[0] === '-x') await writeServer(join(args[2] ?? '', 'usr/bin/redis-server'), version)
        return done
      }
      return await thisMachine().run(command, args, options)
    },
  }
}

test('this machine has a server that runs', async () => {
  const { command, args, env } = await findRedis({ cacheDir })
  const { stdout } = await thisMachine().run(command, [...args, '--version'], { env })
  expect(stdout).toMatch(/server v=/)
}, 300_000)

test.each(['redis-server', 'valkey-server'])('%s on PATH is taken first', async (name) => {
  const command = join(folder.path, 'bin', name)
  await writeServer(command, '8.1.0')
  const probe = debian({ path: `/nowhere:${folder.path}/bin` })
  expect(await findRedis({ cacheDir: folder.path, probe })).toEqual({ command, args: [], env: {}, origin: 'path' })
})

test('an unpacked server replaces one on PATH that is too old', async () => {
  await writeServer(join(folder.path, 'bin/redis-server'), '6.0.16')
  const heard: string[] = []
  const probe = debian({ path: join(folder.path, 'bin') })
  const found = await findRedis({ cacheDir: join(folder.path, 'cache'), probe, log: (message) => heard.push(message) })
  expect(found.origin).toBe('debian')
  expect(heard[0]).toBe(`${folder.path}/bin/redis-server is version 6.0.16; version 7 or later is needed`)
})

test('an unpacked server is kept, and the second time nothing is downloaded', async () => {
  const calls: string[] = []
  const probe = debian({ calls })
  const first = await findRedis({ cacheDir: folder.path, probe })
  calls.length = 0
  expect(await findRedis({ cacheDir: folder.path, probe })).toEqual(first)
  expect(calls).toEqual([`${first.command} --version`])
  expect(first.env['LD_LIBRARY_PATH']).toContain(folder.path)
})

test('an unpacked server that no longer runs is replaced', async () => {
  const { command } = await findRedis({ cacheDir: folder.path, probe: debian({}) })
  await writeFile(command, 'damaged')
  const again = await findRedis({ cacheDir: folder.path, probe: debian({}) })
  expect((await thisMachine().run(again.command, ['--version'])).stdout).toContain('v=7.0.15')
  expect(await readdir(folder.path)).toHaveLength(1)
})

test('searches that race use the same complete server and leave nothing else behind', async () => {
  const found = await Promise.all(
    Array.from({ length: 5 }, async () => await findRedis({ cacheDir: folder.path, probe: debian({}) })),
  )
  expect(new Set(found.map(({ command }) => command)).size).toBe(1)
  expect(await readdir(folder.path)).toHaveLength(1)
})

test('root refreshes the package lists after a failed download and retries once', async () => {
  const calls: string[] = []
  const probe = debian({ isRoot: true, downloads: [failed('E: Unable to locate package'), done], calls })
  expect((await findRedis({ cacheDir: folder.path, probe })).origin).toBe('debian')
  expect(calls.filter((call) => call.startsWith('apt-get'))).toEqual([
    'apt-get download',
    'apt-get update',
    'apt-get download',
  ])
})

test('without root the package lists stay unchanged', async () => {
  const calls: string[] = []
  const probe = debian({ downloads: [failed('E: Unable to locate package')], calls })
  await expect(findRedis({ cacheDir: folder.path, probe })).rejects.toThrow('E: Unable to locate package')
  expect(calls).not.toContain('apt-get update')
})

test('without any server, the error lists what was tried and what to install', async () => {
  const probe = debian({
    downloads: [failed("W: something\nE: Failed to fetch redis-tools  Could not resolve 'mirror'")],
  })
  const error: unknown = await findRedis({ cacheDir: folder.path, probe }).catch((caught: unknown) => caught)
  expect(String(error)).toBe(
    [
      'Error: No Redis server was found on this machine.',
      '  - PATH has no redis-server or valkey-server, and apt-get download failed: ' +
        "E: Failed to fetch redis-tools  Could not resolve 'mirror'",
      'Install one (version 7 or later):',
      '  Debian, Ubuntu   sudo apt-get install redis-server',
      '  Fedora, RHEL     sudo dnf install valkey    (or redis)',
      '  macOS            brew install redis',
      'or, for "pnpm start", use one that runs already:',
      '  docker run -d -p 127.0.0.1:6379:6379 redis:7 redis-server --appendonly yes --maxmemory-policy noeviction',
      '  REDIS_URL=redis://127.0.0.1:6379 pnpm start',
    ].join('\n'),
  )
  expect(await readdir(folder.path)).toEqual([])
})

test('without dpkg, the error does not mention apt', async () => {
  const probe: Probe = { path: '', isRoot: false, run: async () => await Promise.resolve({ ...done, code: 127 }) }
  await expect(findRedis({ cacheDir: folder.path, probe })).rejects.toThrow('this is no Debian or Ubuntu')
})

test('an unpacked server that is too old is refused with its version', async () => {
  const probe = debian({ version: '6.0.16' })
  await expect(findRedis({ cacheDir: folder.path, probe })).rejects.toThrow(
    /the unpacked Redis cannot be used: .* is version 6\.0\.16/,
  )
})
