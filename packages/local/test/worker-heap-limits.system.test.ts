import { spawnSync } from 'node:child_process'
import { workerHeapLimits } from '@wns-fanout/local'
import { expect, test } from 'vitest'

test('the heap of a worker is limited, whatever the memory of the machine', () => {
  const limitMb = 'require("node:v8").getHeapStatistics().heap_size_limit / 2 ** 20'
  const { stdout } = spawnSync(process.execPath, [...workerHeapLimits, '--print', limitMb], { encoding: 'utf8' })
  expect(Number(stdout)).toBe(256 + 3 * 32)
})
