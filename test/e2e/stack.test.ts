import { until } from '@wns-fanout/testing'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { StackFile } from '@wns-fanout/local'
import { isAlive, temporaryFolder } from '@wns-fanout/local'
import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import { parse, pidsOf, runCli, startCli, startCliStack, startCliStackIn } from './support.ts'

/** FLUSHALL; resolves when a process misses the data. */
async function loseData({ redis }: StackFile): Promise<void> {
  const connection = new Redis(redis)
  try {
    await connection.flushall()
    await until('it is missed', async () => ((await connection.exists('wf:losses')) === 1 ? true : undefined))
  } finally {
    connection.disconnect()
  }
}

describe('a stack', () => {
  test('it is described by a private file, is alone in its folder, a further worker joins it, and it ends in order', async () => {
    await using stack = await startCliStack(['--workers', '1'])
    const { path } = stack.folder
    const file = join(path, '.wns-fanout', 'stack.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '.wns-fanout', 'keyring'))).mode & 0o777).toBe(0o600)
    expect(stack.cli.output()).toContain('SIMULATOR')
    expect(stack.cli.output()).not.toContain(stack.apiKey)

    const second = await runCli(['up', '--port', '0'], { cwd: path })
    expect(second).toMatchObject({ code: 1 })
    expect(second.stderr).toContain(`runs in ${join(path, '.wns-fanout')} already (process ${stack.cli.child.pid})`)

    // One more worker, known to all while it runs.
    const extra = startCli(['start-worker'], { cwd: path })
    const joined = await until('the extra worker is in stack.json', async () => {
      const now = await stack.now()
      return now.pids.workers.length === 2 ? now : undefined
    })
    const health = await runCli(['doctor', '--json'], { cwd: path })
    expect(health).toMatchObject({ code: 0 })
    expect(JSON.parse(health.stdout)).toMatchObject({ ok: true })
    expect(health.stdout).toContain('with 2 workers')

    const pids = pidsOf(joined)
    stack.cli.child.kill('SIGINT')
    expect(await stack.cli.ended).toMatchObject({ code: 0 })
    await extra.ended
    expect(extra.output()).toContain('The stack stopped; stopping this worker.')
    await until('all processes are gone', () => pids.every((pid) => !isAlive(pid)) || undefined)
    await expect(stat(file)).rejects.toThrow('ENOENT')
  })

  test('its data and its key outlive it, a loss of data too; kill -9 of its main process ends all others', async () => {
    await using folder = await temporaryFolder('wns-fanout-e2e-')
    const first = await startCliStackIn(folder)
    const { apiKey } = first
    await registerApp(first, 'kept', ['ok', 'ok'])
    await first.stop()

    const second = await startCliStackIn(folder)
    expect(second.apiKey).toBe(apiKey)
    expect((await second.api.app('kept')).channels).toBe(2)
    await until('it reports that it is ready', () => second.cli.output().includes('\nReady. ') || undefined)
    await loseData(await second.now())
    await second.stop()

    const third = await startCliStackIn(folder)
    await until('its overview', () => third.cli.output().includes('Ctrl-C stops') || undefined)
    expect(third.cli.output()).toMatch(/^NOT READY, API: Redis lost data \(another process .*--accept-loss"$/m)
    expect(third.cli.output()).toMatch(/^NOT READY, worker 1: Redis lost data/m)
    expect((await runCli(['doctor', '--accept-loss', '--yes'], { cwd: folder.path })).code).toBe(0)
    await until('all is well again', async () =>
      (await runCli(['doctor'], { cwd: folder.path })).code === 0 ? true : undefined,
    )
    expect(third.apiKey).toBe(apiKey)
    const pids = pidsOf(await third.now())
    third.cli.child.kill('SIGKILL')
    await until('no process is left', () => pids.every((pid) => !isAlive(pid)) || undefined)

    // Its leftovers stop no process.
    const stale = await runCli(['app', 'list'], { cwd: folder.path })
    expect(stale.code).toBe(1)
    expect(stale.stderr).toContain('pnpm start')
    await third.stop()
  })

  test('with --no-restart a dead worker stays dead and leaves the file', async () => {
    await using stack = await startCliStack(['--workers', '2', '--no-restart'])
    const { pids } = await stack.now()
    process.kill(pids.workers[0] ?? 0, 'SIGKILL')
    const left = await until('the file has one worker', async () => {
      const now = await stack.now()
      return now.pids.workers.length === 1 ? now : undefined
    })
    expect(left.pids.workers).toEqual([pids.workers[1]])
    expect(await stack.api.app('none').catch((error: unknown) => error)).toMatchObject({ status: 404 })
  })
})

test('a Redis that dies ends the stack, with what to look at', async () => {
  await using stack = await startCliStack(['--workers', '1'])
  const { pids } = await stack.now()
  process.kill(pids.redis ?? 0, 'SIGKILL')
  expect(await stack.cli.ended).toMatchObject({ code: 1 })
  expect(stack.cli.output()).toMatch(/redis ended \(signal SIGKILL\), so the stack stops; see .*redis\.log/)
})

describe('a problem is reported in one line', () => {
  test('a port in use', async () => {
    await using folder = await temporaryFolder('wns-fanout-e2e-')
    const server = createServer()
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const { code, stderr } = await runCli(['up', '--port', String(port)], { cwd: folder.path })
    server.close()
    expect(code).toBe(1)
    expect(stderr).toBe(
      `wns-fanout: port ${port} of 127.0.0.1 is in use by another process; ` +
        'use --port to choose another, or --port 0 for a free one\n',
    )
  })

  test('no stack, half an environment, a wrong command', async () => {
    await using folder = await temporaryFolder('wns-fanout-e2e-')
    const cwd = folder.path
    const [none, half, unreachable, wrong, worker] = await Promise.all([
      runCli(['app', 'list'], { cwd }),
      runCli(['app', 'list'], { cwd, env: { WNS_FANOUT_URL: 'http://127.0.0.1:1' } }),
      runCli(['app', 'list', '--json'], {
        cwd,
        env: { WNS_FANOUT_URL: 'http://127.0.0.1:1', WNS_FANOUT_API_KEY: 'x' },
      }),
      runCli(['send', '--app', 'news', '--toast', 'a'], { cwd }),
      runCli(['start-worker'], { cwd }),
    ])
    expect(none).toMatchObject({ code: 1, stdout: '' })
    expect(none.stderr).toMatch(/no API found.*pnpm start.*WNS_FANOUT_URL/)
    expect(half).toMatchObject({ code: 1 })
    expect(half.stderr).toContain('WNS_FANOUT_API_KEY is not')
    expect(unreachable).toMatchObject({ code: 1, stdout: '' })
    expect(parse<{ error: { message: string } }>(unreachable.stderr).error.message).toContain('127.0.0.1:1')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(worker).toMatchObject({ code: 1 })
    for (const { stderr } of [none, half, wrong, worker]) expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  test('what a damaged file of a stack is worth', async () => {
    await using folder = await temporaryFolder('wns-fanout-e2e-')
    await writeFile(join(folder.path, 'stack.json'), '{"api":')
    const { code, stderr } = await runCli(['app', 'list', '--dir', folder.path], { cwd: folder.path })
    expect(code).toBe(1)
    expect(stderr).toContain('is damaged')
    expect(await readFile(join(folder.path, 'stack.json'), 'utf8')).toBe('{"api":')
  })
})
