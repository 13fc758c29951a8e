import { readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { isAlive, temporaryFolder } from '@wns-fanout/local'
import { describe, expect, test } from 'vitest'
import { givenApp, parse, pidsOf, runCli, startCli, startTestStack, startTestStackIn, until } from './support.ts'

describe('a stack', () => {
  test('it is described by a private file, commands find it, a further worker joins it, and it ends in order', async () => {
    await using stack = await startTestStack(['--workers', '1'])
    const { path } = stack.folder
    const file = join(path, '.wns-fanout', 'stack.json')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(path, '.wns-fanout', 'keyring'))).mode & 0o777).toBe(0o600)
    expect(stack.cli.output()).toContain('SIMULATOR')
    expect(stack.cli.output()).not.toContain(stack.apiKey)

    const second = await runCli(['up', '--port', '0'], { cwd: path })
    expect(second).toMatchObject({ code: 1 })
    expect(second.stderr).toContain(`runs in ${join(path, '.wns-fanout')} already (process ${stack.cli.child.pid})`)

    // The commands of an operator, by the file alone.
    const secret = await runCli(
      ['app', 'put', 'news', '--kind', 'store', '--package-sid', 'S-1-15-2-7', '--client-secret-file', '-', '--json'],
      { cwd: path, input: 'topsecret\n' },
    )
    expect(secret.code).toBe(0)
    expect(JSON.parse(secret.stdout)).toMatchObject({ app: 'news', credentials: { clientSecret: { set: true } } })
    const devices = [0, 1, 2].map((n) =>
      JSON.stringify({
        channel: `d-${n}`,
        uri: `https://db5p.notify.windows.com/?token=${n === 2 ? 'gone' : 'ok'}.any.news-${n}`,
      }),
    )
    await writeFile(join(path, 'devices.ndjson'), `${devices.join('\n')}\nnot json\n`)
    const imported = await runCli(['channels', 'import', 'devices.ndjson', '--app', 'news', '--json'], { cwd: path })
    expect(imported.code).toBe(1)
    expect(JSON.parse(imported.stdout)).toMatchObject({ accepted: 3, rejected: 1 })
    const dry = await runCli(['send', '--app', 'news', '--badge', '1', '--audience', 'all', '--dry-run', '--json'], {
      cwd: path,
    })
    expect(JSON.parse(dry.stdout)).toMatchObject({ audienceSize: 3 })
    const sent = await runCli(['send', '--app', 'news', '--toast', 'Hello', '--line', 'world', '--audience', 'all'], {
      cwd: path,
    })
    expect(sent).toMatchObject({ code: 0 })
    expect(sent.stdout).toMatch(/accepted\s+2/)
    expect(sent.stdout).toMatch(/dead\s+1/)
    const again = await runCli(['send', '--app', 'news', '--toast', 'Hello', '--audience', 'all'], { cwd: path })
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('--over-limit')
    const listed = await runCli(['campaigns', 'list', '--app', 'news', '--json'], { cwd: path })
    const [campaign] = parse<{ items: { id: string }[] }>(listed.stdout).items
    const csv = await runCli(['campaigns', 'results', campaign?.id ?? '', '--csv'], { cwd: path })
    expect(csv.stdout.trim().split('\n')).toHaveLength(4)
    expect(csv.stdout).toContain('d-2,dead,410,expired,1')

    // One more worker, known to all while it runs.
    const extra = startCli(['start-worker'], { cwd: path })
    const joined = await until('the extra worker is in stack.json', async () => {
      const now = await stack.now()
      return now.pids.workers.length === 2 ? now : undefined
    })
    const health = await runCli(['doctor', '--app', 'news', '--json'], { cwd: path })
    expect(health.code).toBe(0)
    expect(JSON.parse(health.stdout)).toMatchObject({ ok: true })

    const pids = pidsOf(joined)
    stack.cli.child.kill('SIGINT')
    expect(await stack.cli.ended).toMatchObject({ code: 0 })
    await extra.ended
    expect(extra.output()).toContain('so this worker does too')
    await until('all processes are gone', () => pids.every((pid) => !isAlive(pid)) || undefined)
    await expect(stat(file)).rejects.toThrow('ENOENT')
  })

  test('its data and its key outlive it; kill -9 of its main process ends all others', async () => {
    await using folder = await temporaryFolder('wns-fanout-e2e-')
    const first = await startTestStackIn(folder)
    const { apiKey } = first
    await givenApp(first, 'kept', ['ok', 'ok'])
    await first.stop()

    const second = await startTestStackIn(folder)
    expect(second.apiKey).toBe(apiKey)
    expect((await second.api.app('kept')).channels).toBe(2)
    const pids = pidsOf(await second.now())
    second.cli.child.kill('SIGKILL')
    await until('no process is left', () => pids.every((pid) => !isAlive(pid)) || undefined)

    // What it left behind stops nobody.
    const stale = await runCli(['app', 'list'], { cwd: folder.path })
    expect(stale.code).toBe(1)
    expect(stale.stderr).toContain('pnpm start')
    await second.stop()
  })

  test('with --no-restart a dead worker stays dead and leaves the file', async () => {
    await using stack = await startTestStack(['--workers', '2', '--no-restart'])
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

describe('what is wrong is told in a line', () => {
  test('a port that somebody has', async () => {
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
      `wns-fanout: port ${port} of 127.0.0.1 is taken by another process; choose another with --port, or --port 0 for a free one\n`,
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
    expect(none.stderr).toMatch(/no API is known here.*pnpm start.*WNS_FANOUT_URL/)
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
