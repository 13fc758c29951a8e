import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { isAlive } from '../src/index.ts'

test('a process is alive until it has ended', async () => {
  const child = spawn(process.execPath, ['--eval', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] })
  expect(isAlive(process.pid)).toBe(true)
  expect(isAlive(child.pid ?? 0)).toBe(true)
  child.stdin.end()
  await once(child, 'exit')
  expect(isAlive(child.pid ?? 0)).toBe(false)
})
