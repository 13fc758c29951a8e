import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Probe, type RunResult, firstLine } from './probe.ts'

export interface RedisCommand {
  /** Absolute path of the server. */
  readonly command: string
  /** Arguments that come before all others. */
  readonly args: readonly string[]
  /** Variables to add to the environment. */
  readonly env: Readonly<Record<string, string>>
  readonly origin: 'path' | 'debian'
}

// In Debian the server is a link into redis-tools; small images lack the libraries.
const packages = ['redis-server', 'redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1']

interface Options {
  readonly cacheDir: string
  readonly probe: Probe
  readonly log: (message: string) => void
  readonly unusable: (found: RedisCommand) => Promise<string | undefined>
}

/**
 * Debian's Redis, downloaded and unpacked into `cacheDir` but not installed: no service starts, and the machine stays
 * unchanged. A rename publishes the complete folder, so that racing processes use the same one.
 */
export async function unpackRedis(options: Options): Promise<RedisCommand | { readonly problem: string }> {
  const { cacheDir, probe, log, unusable } = options
  const folder = join(resolve(cacheDir), `redis-${process.platform}-${process.arch}`)
  const cached = await serverIn(folder)
  if ((await unusable(cached)) === undefined) return cached
  if ((await probe.run('dpkg-deb', ['--version'])).code !== 0) {
    return { problem: 'PATH has no redis-server or valkey-server, and this is no Debian or Ubuntu that provides one' }
  }

  await mkdir(cacheDir, { recursive: true })
  const draft = await mkdtemp(join(cacheDir, 'redis-draft-'))
  try {
    log('No Redis on PATH: downloading Debian packages (1.4 MB) into the cache; nothing is installed')
    const downloaded = await download(draft, probe, log)
    if (downloaded.code !== 0) {
      return {
        problem: `PATH has no redis-server or valkey-server, and apt-get download failed: ${explain(downloaded)}`,
      }
    }
    const root = join(draft, 'root')
    for (const file of (await readdir(draft)).filter((name) => name.endsWith('.deb'))) {
      const unpacked = await probe.run('dpkg-deb', ['-x', file, root], { cwd: draft })
      if (unpacked.code !== 0) return { problem: `dpkg-deb failed to unpack ${file}: ${explain(unpacked)}` }
    }
    const problem = await unusable(await serverIn(root))
    if (problem !== undefined) return { problem: `the unpacked Redis cannot be used: ${problem}` }
    await install(root, folder, async () => (await unusable(await serverIn(folder))) === undefined)
    return await serverIn(folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function download(folder: string, probe: Probe, log: (message: string) => void): Promise<RunResult> {
  const attempt = async (): Promise<RunResult> =>
    await probe.run('apt-get', ['download', ...packages], { cwd: folder, timeoutMs: 120_000 })
  const first = await attempt()
  if (first.code === 0 || !probe.isRoot) return first
  log('Refreshing the package lists (apt-get update)')
  await probe.run('apt-get', ['update'], { timeoutMs: 180_000 })
  return await attempt()
}

// If another process was faster, its folder is used. A folder that does not work is moved aside first.
async function install(root: string, folder: string, works: () => Promise<boolean>): Promise<void> {
  try {
    await rename(root, folder)
  } catch (error) {
    if (await works()) return
    const aside = `${root}-broken`
    await rename(folder, aside).catch(() => {
      throw error
    })
    await rename(root, folder)
  }
}

async function serverIn(folder: string): Promise<RedisCommand> {
  const libraries = await readdir(join(folder, 'usr/lib')).catch(() => [])
  const folders = libraries.filter((name) => name.includes('-linux-')).map((name) => join(folder, 'usr/lib', name))
  return {
    command: join(folder, 'usr/bin/redis-server'),
    args: [],
    env: { LD_LIBRARY_PATH: [...folders, join(folder, 'usr/lib')].join(':') },
    origin: 'debian',
  }
}

function explain({ code, stderr, stdout }: RunResult): string {
  const lines = `${stderr}\n${stdout}`.split('\n')
  return lines.find((line) => line.startsWith('E:')) ?? (firstLine(stderr) || `exit code ${code}`)
}
