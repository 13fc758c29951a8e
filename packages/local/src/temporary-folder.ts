import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type TemporaryFolder = AsyncDisposable & { readonly path: string; remove(): Promise<void> }

/** A new folder (mode 0700) that is removed by `remove()`, by `await using`, or when the process exits. */
export async function temporaryFolder(prefix = 'wns-fanout-'): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), prefix))
  const onExit = (): void => rmSync(path, { recursive: true, force: true })
  process.once('exit', onExit)
  async function remove(): Promise<void> {
    process.off('exit', onExit)
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
  }
  return { path, remove, [Symbol.asyncDispose]: remove }
}
