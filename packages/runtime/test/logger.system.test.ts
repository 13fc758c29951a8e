import { until } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { linesOf, startFixture } from './support.ts'

test('a stalled reader of the log does not block the process', async () => {
  const noisy = startFixture('noisy.ts', [])
  noisy.process.stderr?.pause()
  await until(() => linesOf(noisy).includes('done'))
  noisy.process.stderr?.resume()
  noisy.process.stdin?.end()
  expect(await noisy.ended()).toEqual({ code: 0, signal: null })
  // Of 20 MB, what was kept for the reader fits into the buffer.
  expect(noisy.stderr().length).toBeLessThan(8_000_000)
  for (const line of noisy.stderr().trimEnd().split('\n')) expect(JSON.parse(line)).toMatchObject({ name: 'noisy' })
})

test('lines logged just before the exit are not lost', async () => {
  const last = startFixture('last-line.ts', [])
  expect(await last.ended()).toEqual({ code: 0, signal: null })
  expect(last.stderr()).toContain('the last line')
})
