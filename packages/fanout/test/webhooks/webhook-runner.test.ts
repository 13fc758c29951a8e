import { randomBytes } from 'node:crypto'
import type { AppId, FanoutEvent, WebhookName, WebhookRequest } from '@wns-fanout/domain'
import { DAY_MS } from '@wns-fanout/domain'
import { AppEvents, AppStore, closeRedis, connectRedis, Keyring, Keys, Webhooks } from '@wns-fanout/state'
import { until } from '@wns-fanout/testing'
import type { Transport } from '@wns-fanout/wns'
import { Webhook } from 'standardwebhooks'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { WebhookRunner } from '../../src/webhooks/webhook-runner.ts'
import { testWebhook } from '../../src/webhooks/deliver.ts'
import { Receiver } from './receiver.ts'

const NEWS = 'news' as AppId
const OPS = 'ops' as WebhookName
const HOUR_MS = 3_600_000

function sealed(record: string | null): string {
  return (JSON.parse(record ?? '{}') as { secret: string }).secret
}

async function setup({ deadlineMs }: { readonly deadlineMs?: number } = {}) {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  const keys = new Keys(`h${randomBytes(6).toString('hex')}:`)
  const keyring = Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`)
  const receiver = await Receiver.start()
  const webhooks = new Webhooks(redis, keys, keyring)
  const apps = new AppStore(redis, keys, keyring)
  await apps.put(NEWS, { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret: 's' } })
  const emitted: FanoutEvent[] = []
  const stop = new AbortController()
  let offsetMs = 0
  const runner = (transport: Transport = receiver.transport) =>
    new WebhookRunner({
      webhooks,
      events: new AppEvents(redis, keys),
      transport,
      emit: (event) => void emitted.push(event),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      nowMs: async () => (await webhooks.redisNowMs()) + offsetMs,
    })
  const usual = runner()
  onTestFinished(async () => {
    stop.abort()
    await usual.idle()
    await redis.unlink(...(await redis.keys(`${keys.prefix}*`)))
    await closeRedis(redis)
  })
  return {
    redis,
    keys,
    webhooks,
    receiver,
    emitted,
    stop,
    runner,
    /** Lets the time pass for the runner. */
    wait: (ms: number) => {
      offsetMs += ms
    },
    put: (request: Partial<WebhookRequest> = {}) => webhooks.put(NEWS, OPS, { url: receiver.url, ...request }),
    /** Adds two events: the breaker opens and closes. */
    trip: async (): Promise<void> => {
      await apps.setBreaker(NEWS, { kind: 'answers', reason: 'blocked', since: new Date().toISOString() })
      await apps.clearBreaker(NEWS)
    },
    /** One round of the leader, to its end. */
    round: async (by = usual): Promise<void> => {
      await by.look(stop.signal)
      await by.idle()
    },
    record: async () => {
      const record = await webhooks.get(NEWS, OPS)
      if (record === null) throw new Error('there is no webhook')
      return record
    },
    types: () => receiver.received.map(({ body }) => (JSON.parse(body) as { type: string }).type),
    ids: () => receiver.received.map(({ headers }) => String(headers['webhook-id'])),
    feed: async () => (await new AppEvents(redis, keys).read(NEWS, { limit: 100 })).items,
  }
}

describe('a webhook', () => {
  test('gets the events from its creation on, once, in order and signed as the standard wants', async () => {
    const { put, trip, round, receiver, types, feed, emitted } = await setup()
    await trip()
    const { secret } = await put()
    await round()
    expect(receiver.received).toEqual([])
    await trip()
    await round()
    await round()
    expect(types()).toEqual(['breaker.opened', 'breaker.closed'])
    const [opened] = (await feed()).slice(2)
    const [{ headers, body, path } = {}] = receiver.received
    expect(path).toBe('/hooks?token=in-the-query')
    const library = new Webhook(secret ?? '')
    expect(library.verify(body ?? '', headers as Record<string, string>)).toEqual(opened)
    expect(() => library.verify(`${body} `, headers as Record<string, string>)).toThrow('No matching signature')
    expect(headers).toMatchObject({ 'webhook-id': `evt_news_${opened?.id}`, 'content-type': 'application/json' })
    expect(emitted.map(({ type }) => type)).toEqual(['webhook.delivered', 'webhook.delivered'])
    expect(JSON.stringify(emitted)).not.toContain('in-the-query')
  })

  test('gets only the types that it wants', async () => {
    const { put, trip, round, types, record, feed } = await setup()
    await put({ types: ['breaker.closed'] })
    await trip()
    await trip()
    await round()
    expect(types()).toEqual(['breaker.closed', 'breaker.closed'])
    expect((await record()).progress.cursor).toBe((await feed()).at(-1)?.id)
  })

  test('signs with the old and the new secret for a day after a change', async () => {
    const { put, trip, round, receiver, wait } = await setup()
    const { secret: old = '' } = await put()
    const secret = `whsec_${randomBytes(32).toString('base64')}`
    expect(await put({ secret })).not.toHaveProperty('secret')
    const verify = (by: string): unknown => {
      const { headers, body } = receiver.received.at(-1) ?? { headers: {}, body: '' }
      return new Webhook(by).verify(body, headers as Record<string, string>)
    }
    await trip()
    await round()
    for (const each of [old, secret]) expect(verify(each)).toMatchObject({ type: 'breaker.closed' })
    wait(DAY_MS)
    await trip()
    await round()
    expect(verify(secret)).toMatchObject({ type: 'breaker.closed' })
    expect(() => verify(old)).toThrow('No matching signature')
  })

  test('is sealed again when it is put, and gets a new secret where the key of the old one is lost', async () => {
    const { put, redis, keys } = await setup()
    const { secret } = await put()
    const secrets = async (by: Webhooks) => (await by.secrets(NEWS, OPS, 0))?.map((each) => each.reveal())
    const lost = new Webhooks(redis, keys, Keyring.parse(`k2 ${randomBytes(32).toString('base64')}`))
    await expect(secrets(lost)).rejects.toThrow('k1')
    const { secret: fresh = '' } = await lost.put(NEWS, OPS, { url: 'https://example.com/' })
    expect(fresh).toMatch(/^whsec_/)
    expect(fresh).not.toBe(secret)
    const before = await redis.hget(keys.webhooks(NEWS), OPS)
    expect(await lost.put(NEWS, OPS, { url: 'https://example.com/' })).not.toHaveProperty('secret')
    expect(sealed(await redis.hget(keys.webhooks(NEWS), OPS))).not.toBe(sealed(before))
    expect(await secrets(lost)).toEqual([fresh])
  })

  test('continues after a restart, and no secret is stored or shown in clear text', async () => {
    const { put, trip, round, runner, receiver, types, redis, keys, webhooks } = await setup()
    const { secret = '' } = await put()
    await trip()
    receiver.next.push(204, 500)
    await round()
    expect(types()).toEqual(['breaker.opened', 'breaker.closed'])
    await put()
    await round(runner())
    expect(types()).toEqual(['breaker.opened', 'breaker.closed', 'breaker.closed'])
    const stored = JSON.stringify([await redis.hgetall(keys.webhooks(NEWS)), await webhooks.list(NEWS)])
    expect(stored).toContain('localhost')
    expect(stored).not.toContain(secret.slice('whsec_'.length))
  })

  test('that is disabled gets nothing, and what happened meanwhile once it is enabled again', async () => {
    const { put, trip, round, receiver, types } = await setup()
    await put({ enabled: false })
    await trip()
    await round()
    expect(receiver.received).toEqual([])
    await put()
    await round()
    expect(types()).toEqual(['breaker.opened', 'breaker.closed'])
  })

  test('that is deleted leaves nothing behind, and its app is not looked at any more', async () => {
    const { put, trip, round, receiver, webhooks, redis, keys } = await setup()
    await put()
    await trip()
    let isDeleted: Promise<boolean> | undefined
    receiver.next.push((response) => {
      isDeleted = webhooks.delete(NEWS, OPS)
      void isDeleted.then(() => response.writeHead(500).end())
    })
    await round()
    expect(await isDeleted).toBe(true)
    await round()
    expect(receiver.received).toHaveLength(1)
    expect(await redis.exists(keys.webhooks(NEWS))).toBe(0)
    expect(await webhooks.apps()).toEqual([])
  })
})

describe('a receiver', () => {
  test('that fails gets the same event again with the same id, later and later, and then the rest', async () => {
    const { put, trip, round, receiver, types, ids, wait, record, emitted } = await setup()
    await put()
    await trip()
    receiver.next.push(500, 503, (response) => response.destroy())
    await round()
    await round()
    expect(types()).toEqual(['breaker.opened'])
    const waits: number[] = []
    for (let n = 0; n < 3; n += 1) {
      const { failures, nextAtMs } = (await record()).progress
      waits.push(nextAtMs)
      expect(failures).toBe(n + 1)
      wait(HOUR_MS)
      await round()
    }
    expect(types()).toEqual([...Array.from({ length: 4 }, () => 'breaker.opened'), 'breaker.closed'])
    expect(new Set(ids().slice(0, 4)).size).toBe(1)
    expect((await record()).progress).toMatchObject({ failures: 0, nextAtMs: 0 })
    expect(emitted).toMatchObject([
      { type: 'webhook.failed', failures: 1, status: 500 },
      { type: 'webhook.failed', failures: 2, status: 503 },
      { type: 'webhook.failed', failures: 3, code: 'broken' },
      { type: 'webhook.delivered', afterFailures: 3 },
      { type: 'webhook.delivered', afterFailures: 0 },
    ])
  })

  test('that stalls is given up at the deadline, also in the middle of its answer', async () => {
    const { put, trip, round, receiver, record, wait } = await setup({ deadlineMs: 200 })
    await put()
    await trip()
    receiver.next.push(() => {})
    await round()
    expect((await record()).progress).toMatchObject({ failures: 1, problem: 'no answer within 0.2 s' })
    wait(HOUR_MS)
    receiver.next.push((response) => {
      response.writeHead(200, { 'content-length': '1000000' })
      response.write('the rest never comes')
    })
    await round()
    expect((await record()).progress).toMatchObject({ failures: 0 })
  })

  test('that redirects has failed: nothing is posted to the other place', async () => {
    const { put, trip, round, receiver, record } = await setup()
    await put()
    await trip()
    receiver.next.push((response) => response.writeHead(307, { location: 'https://10.0.0.1/secret' }).end())
    await round()
    expect(receiver.received).toHaveLength(1)
    expect((await record()).progress.problem).toBe('the receiver answered 307; redirects are not followed')
  })

  test('with a private address gets nothing, unless the operator names its host', async () => {
    const { put, trip, round, runner, receiver, record, emitted } = await setup()
    await put()
    await trip()
    await round(runner(receiver.publicOnly))
    expect(receiver.received).toEqual([])
    expect((await record()).progress.problem).toBe('the name resolves to an address that is not public')
    expect(emitted).toMatchObject([{ type: 'webhook.failed', code: 'private-address' }])
  })

  test('that answers 410 is disabled, and an event reports it', async () => {
    const { put, trip, round, receiver, record, feed, emitted } = await setup()
    await put()
    await trip()
    receiver.always = 410
    await round()
    await round()
    expect(receiver.received).toHaveLength(1)
    expect(await record()).toMatchObject({ enabled: false, disabledReason: 'the receiver answered 410' })
    expect((await feed()).at(-1)).toMatchObject({
      type: 'webhook.disabled',
      data: { webhook: 'ops', reason: 'the receiver answered 410' },
    })
    expect(emitted.at(-1)).toMatchObject({ type: 'webhook.disabled', webhook: 'ops' })
    receiver.always = 204
    await put()
    await round()
    expect(receiver.received).toHaveLength(4)
    expect((await record()).disabledReason).toBeUndefined()
  })

  test('that was changed while it answered 410 stays enabled', async () => {
    const { put, trip, round, receiver, record } = await setup()
    await put()
    await trip()
    receiver.next.push((response) => void put({ types: ['breaker.closed'] }).then(() => response.writeHead(410).end()))
    await round()
    expect(await record()).toMatchObject({ enabled: true, types: ['breaker.closed'] })
  })

  test('that is away for more than a day loses what is older, and gets the rest', async () => {
    const { put, trip, round, receiver, types, wait, emitted, record, feed } = await setup()
    await put()
    await trip()
    receiver.always = 503
    await round()
    wait(DAY_MS)
    await round()
    wait(HOUR_MS)
    receiver.always = 204
    await round()
    expect(types()).toEqual(['breaker.opened'])
    expect(emitted.filter(({ type }) => type === 'webhook.gave-up')).toMatchObject([
      { reason: 'too-old' },
      { reason: 'too-old' },
    ])
    expect((await record()).progress.cursor).toBe((await feed()).at(-1)?.id)
    wait(-DAY_MS)
    await trip()
    await round()
    expect(types()).toEqual(['breaker.opened', 'breaker.opened', 'breaker.closed'])
  })

  test('that refuses one event as wrong gets those behind it after eight attempts', async () => {
    const { put, trip, round, receiver, types, wait } = await setup()
    await put()
    await trip()
    receiver.next.push(...Array.from({ length: 8 }, () => 422))
    for (let n = 0; n < 9; n += 1) {
      await round()
      wait(HOUR_MS)
    }
    expect(types()).toEqual([...Array.from({ length: 8 }, () => 'breaker.opened'), 'breaker.closed'])
  })

  test('that stalls does not delay another one, and a stop ends the attempt without counting it', async () => {
    const { put, trip, receiver, webhooks, runner, stop, types, record } = await setup()
    await put()
    await webhooks.put(NEWS, 'second' as WebhookName, { url: receiver.url, types: ['breaker.closed'] })
    await trip()
    receiver.next.push(() => {})
    const leader = runner()
    await leader.look(stop.signal)
    await until('the second one has its event', () => (types().includes('breaker.closed') ? true : undefined))
    stop.abort()
    await leader.idle()
    expect((await record()).progress.failures).toBe(0)
  })

  test('that misses events which were removed before their turn is reported', async () => {
    const { put, trip, round, redis, keys, emitted, types } = await setup()
    await put()
    await trip()
    await round()
    await put({ enabled: false })
    await trip()
    await trip()
    await redis.xtrim(keys.events(NEWS), 'MAXLEN', 1)
    await put()
    await round()
    expect(types()).toHaveLength(3)
    expect(emitted).toContainEqual({ type: 'webhook.gave-up', app: 'news', webhook: 'ops', reason: 'removed' })
  })
})

test('a record that cannot be read stops neither the other webhooks nor the leader', async () => {
  const { put, trip, round, redis, keys, types, emitted } = await setup()
  await put()
  await redis.sadd(keys.webhookApps, 'broken')
  await redis.hset(keys.webhooks('broken'), 'x', 'no JSON')
  await trip()
  await round()
  expect(types()).toHaveLength(2)
  expect(emitted).toMatchObject([{ type: 'operation.failed', operation: 'webhooks of broken' }, {}, {}])
})

test('a test event is posted at once, also to a webhook that is disabled', async () => {
  const { put, receiver, webhooks, record } = await setup()
  const { secret = '' } = await put({ enabled: false })
  const answer = await testWebhook(webhooks, receiver.transport, NEWS, await record())
  expect(answer).toEqual({ delivered: true, status: 204, durationMs: expect.any(Number) as number })
  const [{ headers, body } = { headers: {}, body: '' }] = receiver.received
  expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toMatchObject({
    type: 'webhook.test',
    data: { webhook: 'ops' },
  })
  receiver.next.push(401)
  expect(await testWebhook(webhooks, receiver.transport, NEWS, await record())).toMatchObject({
    delivered: false,
    status: 401,
    problem: 'the receiver answered 401',
  })
})
