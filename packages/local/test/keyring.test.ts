import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ensureKeyringFile, makeKeyring, temporaryFolder } from '../src/index.ts'

test('a keyring is one line of a key id and 32 bytes in base64, different each time', () => {
  const [kid, key, ...rest] = makeKeyring().trimEnd().split(' ')
  expect(kid).toMatch(/^k[0-9a-f]{8}$/)
  expect(Buffer.from(key ?? '', 'base64')).toHaveLength(32)
  expect(rest).toEqual([])
  expect(makeKeyring()).not.toBe(makeKeyring())
})

test('a keyring file is created once, for its owner only, and racing processes share it', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'a/b/keyring')
  await Promise.all(Array.from({ length: 10 }, async () => await ensureKeyringFile(path)))
  const first = await readFile(path, 'utf8')
  await ensureKeyringFile(path)
  expect(await readFile(path, 'utf8')).toBe(first)
  expect(first.split('\n')).toHaveLength(2)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder.path, 'a/b'))).toEqual(['keyring'])
})
