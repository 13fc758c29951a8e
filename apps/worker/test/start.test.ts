import { get } from 'node:http'
import { join } from 'node:path'
import type { AppId, CampaignId } from '@wns-fanout/domain'
import { startTcpProxy, until } from '@wns-fanout/testing'
import { startSimulator } from '@wns-fanout/wns-simulator'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { startWorker } from '../src/start.ts'
import { installation, registrationOf, workerEnv } from './support.ts'

const handled = ['SIGTERM', 'SIGINT', 'uncaughtException', 'unhandledRejection'] as const

/** A worker that runs inside this process, as its program would. */
function startHere(env: Readonly<Record<string, string>>) {
  const before = handled.map((event) => process.listeners(event as 'SIGTERM'))
  const { promise: exited, resolve: exit } = Promise.withResolvers<number>()
  const exiting = vi.spyOn(process, 'exit').mockImplementation((code) => exit(Number(code)) as never)
  const lines: string[] = []
  const writing = vi.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  const added = (at: number) =>
    process.listeners(handled[at] as 'SIGTERM').filter((listener) => !(before[at] ?? []).includes(listener))
  onTestFinished(() => {
    for (const [at, event] of handled.entries()) for (const listener of added(at)) process.off(event, listener)
    exiting.mockRestore()
    writing.mockRestore()
    process.exitCode = 0
  })
  return {
    started: startWorker(env),
    ready: async () =>
      JSON.parse(await until('the ready line', () => lines.find((line) => line.startsWith('{"ready"')))) as {
        readonly ready: boolean
        readonly ops: string
      },
    /** Sends SIGTERM; resolves to the exit code. */
    terminate: async () => {
      await until('the handler of SIGTERM', () => added(0).length > 0)
      for (const listener of added(0)) listener('SIGTERM')
      return await exited
    },
  }
}

async function readiness(ops: string): Promise<unknown> {
  const body = Promise.withResolvers<string>()
  get(`${ops}/readyz`, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (more: string) => (text += more))
    response.on('end', () => body.resolve(text))
  }).on('error', body.reject)
  return JSON.parse(await body.promise)
}

test('a worker sends a campaign to WNS over TLS, and hands over and exits with 0 at SIGTERM', async () => {
  const given = await workerEnv()
  const simulator = await startSimulator({ caFile: join(given.folder, 'ca.pem') })
  onTestFinished(() => simulator.stop())
  const { apps, registry, campaigns } = installation(given)
  const { settings } = await apps.put('news' as AppId, {
    credentials: { kind: 'entra', tenantId: 'tenant', clientId: 'client', clientSecret: 'secret' },
    ratePerSecond: 1000,
  })
  const worker = startHere({
    ...given.env,
    WNS_ROUTE_TO: `${simulator.host}:${simulator.port}`,
    WNS_CA_FILE: simulator.caFile,
  })
  const { ops } = await worker.ready()
  await worker.started
  expect(await readiness(ops)).toEqual({ ready: true, problems: [] })
  await registry.register(settings.app, [registrationOf('a', 'ok.any.1'), registrationOf('b', 'gone.any.2')])
  const { id } = await campaigns.create(settings, {
    notification: { type: 'toast', content: { title: 'Hi' } },
    audience: { all: true },
  })
  await until(
    'the campaign to end',
    async () => (await campaigns.get({ app: settings.app, campaign: id as CampaignId }))?.state === 'completed',
  )
  expect(await campaigns.get({ app: settings.app, campaign: id as CampaignId })).toMatchObject({
    totals: { accepted: 1, dead: 1, pending: 0 },
  })
  expect(await worker.terminate()).toBe(0)
})

test('a worker that loses Redis is not ready, and gives up at SIGTERM with exit code 1', async () => {
  const { env } = await workerEnv()
  const url = new URL(inject('redisUrl'))
  const proxy = await startTcpProxy(Number(url.port))
  onTestFinished(() => proxy.close())
  const worker = startHere({ ...env, REDIS_URL: `redis://:${url.password}@127.0.0.1:${proxy.port}` })
  const { ops } = await worker.ready()
  await worker.started
  await proxy.close()
  await until('the worker to notice', async () => {
    const found = (await readiness(ops)) as { ready: boolean; problems: string[] }
    return !found.ready && found.problems.includes('Redis is away')
  })
  expect(await worker.terminate()).toBe(1)
})

test('a SIGTERM during the wait for Redis ends the start without a failure', async () => {
  const { env } = await workerEnv()
  const worker = startHere({ ...env, REDIS_URL: 'redis://127.0.0.1:1' })
  expect(await worker.terminate()).toBe(0)
  await worker.started
  expect(process.exitCode).not.toBe(1)
})

test('a worker without a readable keyring does not start and exits with 1', async () => {
  const { env } = await workerEnv()
  await startHere({ ...env, WNS_FANOUT_KEYRING_FILE: '/nowhere' }).started
  expect(process.exitCode).toBe(1)
})
