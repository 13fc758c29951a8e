import { join } from 'node:path'
import type { AppId } from '@wns-fanout/domain'
import type { SecretUnavailableError, TokenPool } from '@wns-fanout/state'
import { AppStore, Keyring, Keys, closeRedis, connectRedis } from '@wns-fanout/state'
import { createTransport } from '@wns-fanout/wns'
import { startSimulator } from '@wns-fanout/wns-simulator'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { askForToken, tokenSource } from '../src/app-tokens.ts'
import { workerEnv } from './support.ts'

const app = 'news' as AppId
const entra = { kind: 'entra', tenantId: 'tenant', clientId: 'client' } as const

/** An app store, and the requests for a token to a token service that rejects secrets which begin with `bad-`. */
async function setup() {
  const { env, keyring, folder } = await workerEnv()
  const simulator = await startSimulator({ caFile: join(folder, 'ca.pem') })
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  onTestFinished(async () => {
    await closeRedis(redis)
    await simulator.stop()
  })
  const apps = new AppStore(redis, new Keys(env['WNS_FANOUT_PREFIX'] ?? ''), Keyring.parse(keyring), {
    secrets: { env: {}, dir: folder },
  })
  const transport = createTransport({ routeTo: `${simulator.host}:${simulator.port}`, caFile: simulator.caFile })
  const unavailable: SecretUnavailableError[] = []
  const ask = () => askForToken(apps, app, transport, (error) => unavailable.push(error))
  return { apps, ask, unavailable }
}

describe('a request for a token', () => {
  test('uses the secret of the app', async () => {
    const { apps, ask } = await setup()
    await apps.put(app, { credentials: { ...entra, clientSecret: 'good' } })
    expect(await ask()).toMatchObject({ ok: true })
  })

  test('tries the previous secret only after the current one is rejected permanently', async () => {
    const { apps, ask } = await setup()
    await apps.put(app, { credentials: { ...entra, clientSecret: 'bad-new', previousClientSecret: 'good' } })
    expect(await ask()).toMatchObject({ ok: true })
    await apps.put(app, { credentials: { ...entra, clientSecret: 'good', previousClientSecret: 'bad-old' } })
    expect(await ask()).toMatchObject({ ok: true })
  })

  test('reports the rejection of the current secret when both are rejected', async () => {
    const { apps, ask } = await setup()
    await apps.put(app, { credentials: { ...entra, clientSecret: 'bad-new', previousClientSecret: 'bad-old' } })
    expect(await ask()).toMatchObject({ ok: false, permanent: true, code: 'bad-secret' })
  })

  test('for an app that is gone is a permanent refusal', async () => {
    const { ask } = await setup()
    expect(await ask()).toEqual({
      ok: false,
      permanent: true,
      code: 'no-app',
      explanation: 'app news does not exist any more',
    })
  })

  test('whose secret cannot be read is a permanent refusal, and is reported', async () => {
    const { apps, ask, unavailable } = await setup()
    await apps.put(app, { credentials: { ...entra, clientSecret: { ref: 'file:missing' } } })
    expect(await ask()).toMatchObject({ ok: false, permanent: true })
    expect(unavailable).toHaveLength(1)
  })
})

test('the token of an app comes from the pool that all workers share', async () => {
  const calls: unknown[][] = []
  const pool = {
    peek: (of: AppId) => `token of ${of}`,
    get: async (...args: unknown[]) => {
      calls.push(['get', ...args])
      return { token: 't', id: 'i' }
    },
    renew: async (...args: unknown[]) => {
      calls.push(['renew', ...args])
      return 42
    },
  } as unknown as TokenPool
  const source = tokenSource(pool, app)
  expect(source.current()).toBe('token of news')
  await source.fetch()
  expect(await source.renew('old')).toBe(42)
  expect(calls).toEqual([
    ['get', 'news'],
    ['renew', 'news', 'old'],
  ])
})
