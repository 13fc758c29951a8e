import { randomBytes } from 'node:crypto'
import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import { createLifecycle, createLogger, createMetrics } from '@wns-fanout/runtime'
import { AppStore, Keyring, Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { expect, inject, onTestFinished, test, vi } from 'vitest'
import { workerConfig } from '../src/config.ts'
import { startWorker } from '../src/start.ts'
import { wire } from '../src/wire.ts'

const env = {
  REDIS_URL: inject('redisUrl'),
  WNS_FANOUT_PREFIX: `w${randomBytes(6).toString('hex')}:`,
  WNS_FANOUT_KEYRING_FILE: '/nowhere',
  WNS_FANOUT_LANES: '8',
  WNS_FANOUT_LOCK_MS: '6000',
  LOG_LEVEL: 'silent',
}

test('a worker is made of its parts, serves the apps that exist, and stops all of them', async () => {
  const config = workerConfig(env)
  const logger = createLogger({ name: 'worker', level: 'silent' })
  const life = createLifecycle(logger)
  const redis = connectRedis(config.REDIS_URL, { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  const keyring = Keyring.parse(`one ${randomBytes(32).toString('base64')}`)
  const metrics = createMetrics({ onCollectError: () => {} })
  const apps = new AppStore(redis, new Keys(config.WNS_FANOUT_PREFIX), keyring)
  const credentials = { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } as const
  await apps.put('news' as AppId, { credentials })
  const events: FanoutEvent[] = []
  const worker = wire({ config, env, logger, life, metrics, emit: (event) => events.push(event), redis, keyring })
  life.onStop('worker', () => worker.stop())
  await worker.start()
  expect(worker.problem).toBeUndefined()
  await vi.waitFor(async () => {
    const text = await metrics.registry.metrics()
    expect(text).toContain('wns_fanout_takeovers_total{app="news"} 0')
  })
  await apps.delete('news' as AppId)
  expect(await life.stop('the test ends')).toMatchObject({ clean: true })
  expect(events.filter(({ type }) => type === 'operation.failed')).toEqual([])
})

test('a worker with a wrong configuration does not start and exits with 1', async () => {
  onTestFinished(() => {
    process.exitCode = 0
  })
  await startWorker({ WNS_FANOUT_LANES: '0', WNS_FANOUT_LOCK_MS: 'soon' })
  expect(process.exitCode).toBe(1)
})

test('the configuration of a worker has no port of an API, and may name a crash point', () => {
  expect(workerConfig(env)).not.toHaveProperty('PORT')
  expect(() => workerConfig({ ...env, WNS_CRASH_AT: 'nowhere' })).toThrow('WNS_CRASH_AT')
})
