import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import { createLifecycle, createLogger, createMetrics } from '@wns-fanout/runtime'
import { Keyring, closeRedis, connectRedis, StuckConnections } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import { startSimulator } from '@wns-fanout/wns-simulator'
import { expect, onTestFinished, test } from 'vitest'
import { workerConfig } from '../src/config.ts'
import { startWorker } from '../src/start.ts'
import { wire } from '../src/wire.ts'
import { installation, registrationOf, workerEnv } from './support.ts'

const app = 'news' as AppId
const entra = { kind: 'entra', tenantId: 'tenant', clientId: 'client', clientSecret: 'secret' } as const

/** A worker of real parts and the simulator, with the events that it emits. */
async function wired(more: Readonly<Record<string, string>> = {}) {
  const given = await workerEnv(more)
  const simulator = await startSimulator({ caFile: join(given.folder, 'ca.pem') })
  onTestFinished(() => simulator.stop())
  const env = {
    ...given.env,
    WNS_ROUTE_TO: `${simulator.host}:${simulator.port}`,
    WNS_CA_FILE: simulator.caFile,
    WNS_FANOUT_SECRETS_DIR: given.folder,
  }
  const config = workerConfig(env)
  const logger = createLogger({ name: 'worker', level: 'silent' })
  const life = createLifecycle(logger)
  const redis = connectRedis(config.REDIS_URL, { role: 'worker' })
  const keyring = Keyring.parse(given.keyring)
  const metrics = createMetrics({ onCollectError: () => {} })
  const events: FanoutEvent[] = []
  const emit = (event: FanoutEvent): void => void events.push(event)
  const stuck = new StuckConnections({ open: () => connectRedis(config.REDIS_URL, { role: 'producer' }) })
  life.onStop('watch over the connections', () => stuck.stop())
  const worker = wire({ config, env, logger, life, metrics, emit, redis, access: {}, keyring, stuck })
  life.onStop('worker', () => worker.stop())
  onTestFinished(async () => {
    await life.stop('the test ends')
    await closeRedis(redis)
  })
  const setFaults = async (faults: unknown): Promise<void> => {
    const asked = request(`${simulator.control}/v1/faults`, { method: 'PUT' }).end(JSON.stringify(faults))
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect(answer.resume().statusCode).toBe(200)
  }
  return { worker, life, metrics, events, setFaults, ...installation({ ...given, env }) }
}

test('a worker is made of its parts, sends for an app without a connection of its own, and stops', async () => {
  const { worker, life, metrics, events, apps, registry, campaigns, namedConnections } = await wired()
  const { settings } = await apps.put(app, { credentials: entra })
  await registry.register(app, [registrationOf('a', 'ok.any.1')])
  await worker.start()
  expect(worker.problem).toBeUndefined()
  await until(async () => (await metrics.scrape()).includes('wns_fanout_takeovers_total{app="news"} 0'))
  await campaigns.create(settings, { notification: { type: 'raw', text: 'a' }, audience: { all: true } })
  await until(() => events.some(({ type }) => type === 'batch.closed'))
  expect(await namedConnections()).toBe(0)
  expect(await life.stop('the test ends')).toMatchObject({ clean: true })
  expect(events.filter(({ type }) => type === 'operation.failed')).toEqual([])
})

test('a throttled app gets permits at a lower rate, which is reported', async () => {
  const { worker, events, metrics, setFaults, apps, registry, campaigns } = await wired()
  const { settings } = await apps.put(app, { credentials: entra, ratePerSecond: 1000 })
  await registry.register(app, [registrationOf('a', 'ok.any.1')])
  await setFaults({ rateCap: { perSecond: 0, status: 429, retryAfter: 60 } })
  await worker.start()
  await campaigns.create(settings, { notification: { type: 'raw', text: 'a' }, audience: { all: true } })
  const decrease = await until(() => events.find((event) => event.type === 'rate.decreased'))
  expect(decrease).toMatchObject({ app, throttledUntil: expect.any(String) })
  expect(events.some(({ type }) => type === 'permits.granted')).toBe(true)
  expect((await metrics.scrape()).includes('wns_fanout_effective_rate{app="news"}')).toBe(true)
})

test('a client secret that cannot be read is reported, and nothing is posted', async () => {
  const { worker, events, apps, registry, campaigns } = await wired()
  const credentials = { ...entra, clientSecret: { ref: 'file:missing' } }
  const { settings } = await apps.put(app, { credentials, ratePerSecond: 1000 })
  await registry.register(app, [registrationOf('a', 'ok.any.1')])
  await worker.start()
  await campaigns.create(settings, { notification: { type: 'raw', text: 'a' }, audience: { all: true } })
  await until(() =>
    events.some((event) => event.type === 'operation.failed' && event.operation === 'read a client secret'),
  )
  await until(() => events.some(({ type }) => type === 'token.unavailable'))
  const answered = events.filter((event) => event.type === 'batch.checkpointed' && event.durationsMs.length > 0)
  expect(answered).toEqual([])
})

test('a worker that needs a replica reports that none acknowledges writes', async () => {
  const { worker, events, metrics } = await wired({ WNS_FANOUT_DURABILITY: 'replicas:1', WNS_FANOUT_LOCK_MS: '500' })
  await worker.start()
  const change = await until(() => events.find((event) => event.type === 'replication.changed'))
  expect(change).toMatchObject({ problem: expect.stringMatching(/^no replica acknowledges writes/) })
  expect((await metrics.scrape()).includes('wns_fanout_redis_problem{kind="replicas"} 1')).toBe(true)
})

test('a worker with a wrong configuration does not start and exits with 1', async () => {
  onTestFinished(() => {
    process.exitCode = 0
  })
  await startWorker({ WNS_FANOUT_LANES: '0', WNS_FANOUT_LOCK_MS: 'soon' })
  expect(process.exitCode).toBe(1)
})

test('the configuration of a worker has no port of an API, and may name a crash point', async () => {
  const { env } = await workerEnv()
  expect(workerConfig(env)).not.toHaveProperty('PORT')
  expect(() => workerConfig({ ...env, WNS_CRASH_AT: 'nowhere' })).toThrow('WNS_CRASH_AT')
})
