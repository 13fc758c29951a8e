import { writeFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runScript, until } from '../src/index.ts'

async function script(source: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wns-fanout-testing-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'script.ts')
  await writeFile(path, source)
  return path
}

test('a script gets its arguments, and its output and end can be read', async () => {
  const path = await script(
    'console.error("starting"); console.log(JSON.stringify({ pid: process.pid, args: process.argv.slice(2) }))',
  )
  await using running = runScript(path, { args: ['a', 'b'] })
  expect(await running.firstObject()).toEqual({ pid: running.pid, args: ['a', 'b'] })
  expect(await running.ended()).toEqual({ code: 0, signal: null })
  expect(running.stderr()).toContain('starting')
})

test('a script that ends without an object is an error with its output', async () => {
  await using running = runScript(await script('console.error("no Redis"); process.exit(3)'))
  await expect(running.firstObject()).rejects.toThrow('no Redis')
})

test('disposing of a script kills its process', async () => {
  const running = runScript(await script('console.log("{}"); setInterval(() => {}, 1000)'))
  await running.firstObject()
  await running[Symbol.asyncDispose]()
  expect(await running.ended()).toEqual({ code: null, signal: 'SIGKILL' })
  await until('the process to be gone', () => {
    try {
      return !process.kill(running.pid, 0)
    } catch {
      return true
    }
  })
})
