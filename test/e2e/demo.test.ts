import { until } from '@wns-fanout/testing'
import { readdir } from 'node:fs/promises'
import { temporaryFolder } from '@wns-fanout/local'
import { expect, test } from 'vitest'
import { runCli, startCli } from './support.ts'

test("the demo sends to 3,000 devices, finds its totals equal to the simulator's and leaves nothing", async () => {
  await using folder = await temporaryFolder('wns-fanout-e2e-')
  // What a shell may point at is ignored.
  const env = { TMPDIR: folder.path, REDIS_URL: 'redis://127.0.0.1:1' }
  const { code, stdout, stderr } = await runCli(['demo', '--channels', '3000'], { cwd: folder.path, env })
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).toMatch(/accepted +2,\d{3} +2,\d{3} +2,\d{3} +=/)
  for (const name of ['dropped', 'dead', 'rejected', 'failed'])
    expect(stdout).toMatch(new RegExp(`^${name} +\\d+ +\\d+ +\\d+ +=`, 'm'))
  expect(stdout).toMatch(/^all +3,000 +3,000 +3,000$/m)
  expect(stdout).toContain("OK: the totals equal the simulator's counts in every class")
  expect(stdout).toContain('1 token request for all workers')
  expect(stdout).toMatch(/^duplicates +0 accepted more than once$/m)
  expect(await readdir(folder.path)).toEqual([])
})

test('the demo with --json writes one document', async () => {
  await using folder = await temporaryFolder('wns-fanout-e2e-')
  const { code, stdout } = await runCli(['demo', '--channels', '200', '--workers', '1', '--json'], {
    cwd: folder.path,
    env: { TMPDIR: folder.path },
  })
  expect(code).toBe(0)
  expect(stdout.trim().split('\n')).toHaveLength(1)
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, channels: 200, verdict: { equal: true, differing: 0 } })
})

test('Ctrl-C in the demo cleans up', async () => {
  await using folder = await temporaryFolder('wns-fanout-e2e-')
  const demo = startCli(['demo', '--channels', '50000'], { cwd: folder.path, env: { TMPDIR: folder.path } })
  await until('it sends', () => demo.output().includes('Registered the app') || undefined)
  demo.child.kill('SIGINT')
  expect(await demo.ended).toMatchObject({ code: 1 })
  expect(demo.output()).toContain('everything that the demo started has been stopped and removed')
  expect(await readdir(folder.path)).toEqual([])
})
