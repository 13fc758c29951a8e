import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const cache = fileURLToPath(new URL('../../.cache', import.meta.url))

/**
 * The folder with a program: on PATH, or else Debian's package of it, unpacked once into `.cache` and not installed.
 * Undefined on a machine that has neither; tests that need the program do not exist there.
 */
export async function folderOf(program: string, debianPackage: string): Promise<string | undefined> {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).find((folder) => existsSync(join(folder, program)))
  if (onPath !== undefined) return onPath
  const folder = join(cache, `${debianPackage}-${process.platform}-${process.arch}`)
  const unpacked = join(folder, 'usr/bin')
  if (existsSync(join(unpacked, program))) return unpacked
  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, `${debianPackage}-draft-`))
  try {
    if (!(await download(debianPackage, draft))) return undefined
    const [file = ''] = (await readdir(draft)).filter((name) => name.endsWith('.deb'))
    await run('dpkg-deb', ['-x', join(draft, file), join(draft, 'root')])
    // A process that was faster has published the same folder.
    await rename(join(draft, 'root'), folder).catch(() => {})
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return existsSync(join(unpacked, program)) ? unpacked : undefined
}

async function download(debianPackage: string, folder: string): Promise<boolean> {
  const attempt = async (): Promise<boolean> => await succeeds('apt-get', ['download', debianPackage], folder)
  return (await attempt()) || ((await succeeds('apt-get', ['update'], folder)) && (await attempt()))
}

async function succeeds(command: string, args: readonly string[], cwd: string): Promise<boolean> {
  return await run(command, [...args], { cwd, timeout: 180_000 }).then(
    () => true,
    () => false,
  )
}
