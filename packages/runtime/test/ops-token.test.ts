import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { readOpsToken } from '../src/index.ts'

test('the token is the text of the file without its line end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ops-token-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'token')
  await writeFile(file, 'abc\n')
  expect(await readOpsToken(file)).toBe('abc')
  expect(await readOpsToken(undefined)).toBeUndefined()
  await writeFile(file, '\n')
  await expect(readOpsToken(file)).rejects.toThrow(/^WNS_FANOUT_OPS_TOKEN_FILE: .* has no token/)
  await expect(readOpsToken(join(folder, 'none'))).rejects.toThrow(/cannot be read \(ENOENT\)/)
})
