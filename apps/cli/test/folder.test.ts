import { readFile, stat, writeFile } from 'node:fs/promises'
import { temporaryFolder } from '@wns-fanout/local'
import { expect, test } from 'vitest'
import { claim, folderAt } from '../src/stack/folder.ts'

test('a folder has one stack at a time', async () => {
  await using temporary = await temporaryFolder()
  const folder = folderAt(temporary.path)
  const first = await claim(folder)
  expect((await stat(folder.lockFile)).mode & 0o777).toBe(0o600)
  // Another running process: the parent of this one.
  await writeFile(folder.lockFile, `${process.ppid}\n`)
  await expect(claim(folder)).rejects.toThrow(`process ${process.ppid}`)
  await first.release()
  await (await claim(folder)).release()
})

test('the lock of a killed stack is ignored', async () => {
  await using temporary = await temporaryFolder()
  const folder = folderAt(temporary.path)
  await writeFile(folder.lockFile, '4194303\n')
  const claimed = await claim(folder)
  expect(await readFile(folder.lockFile, 'utf8')).toBe(`${process.pid}\n`)
  await claimed.release()
})
