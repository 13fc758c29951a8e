import { randomBytes } from 'node:crypto'
import { link, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A keyring with one new key: the line `kid base64-of-32-bytes`, with its line end. */
export function makeKeyring(): string {
  return `k${randomBytes(4).toString('hex')} ${randomBytes(32).toString('base64')}\n`
}

/** Creates a keyring file (mode 0600) unless it exists; never changes one. Two processes may race. */
export async function ensureKeyringFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  await writeFile(draft, makeKeyring(), { mode: 0o600, flag: 'wx' })
  try {
    // Unlike a rename, a link never replaces a file: the second process uses the keys of the first.
    await link(draft, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    await rm(draft, { force: true })
  }
}
