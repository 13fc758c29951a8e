import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { isAlive } from '@wns-fanout/local'
import { Failure } from '../failure.ts'

/** The files of a stack in its folder (`.wns-fanout`, or the value of `--dir`). */
export interface Folder {
  readonly path: string
  readonly stackFile: string
  readonly keyringFile: string
  readonly apiKeyFile: string
  readonly redisDir: string
  readonly lockFile: string
  readonly caFile: string
  logFile(name: string): string
}

export const DEFAULT_FOLDER = '.wns-fanout'

export function folderAt(dir: string): Folder {
  const path = resolve(dir)
  return {
    path,
    stackFile: join(path, 'stack.json'),
    keyringFile: join(path, 'keyring'),
    apiKeyFile: join(path, 'api-key'),
    redisDir: join(path, 'redis'),
    lockFile: join(path, 'lock'),
    caFile: join(path, 'simulator-ca.pem'),
    logFile: (name) => join(path, 'logs', `${name}.log`),
  }
}

/**
 * Locks the folder for this process until `release`; two stacks in one folder would share a Redis data file.
 * Throws a `Failure` that names the process that holds the lock.
 */
export async function claim(folder: Folder): Promise<{ release(): Promise<void> }> {
  await mkdir(folder.path, { recursive: true, mode: 0o700 })
  for (let attempt = 1; ; attempt += 1) {
    try {
      const file = await open(folder.lockFile, 'wx', 0o600)
      await file.writeFile(`${process.pid}\n`)
      await file.close()
      return { release: async () => await rm(folder.lockFile, { force: true }) }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      const owner = Number(await readFile(folder.lockFile, 'utf8').catch(() => ''))
      if (attempt > 3 || (owner > 0 && owner !== process.pid && isAlive(owner))) throw inUse(folder, owner)
      // Its process was killed, so the lock is stale.
      await rm(folder.lockFile, { force: true })
    }
  }
}

function inUse(folder: Folder, owner: number): Failure {
  return new Failure(
    'stack-running',
    `a stack runs in ${folder.path} already (process ${owner}); stop it with Ctrl-C or "kill ${owner}", ` +
      'or use --dir to start another one',
    { pid: owner },
  )
}
