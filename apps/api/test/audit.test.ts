import type { AuditEntry } from '@wns-fanout/domain'
import { AuditChecker } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { rules } from '../src/access.ts'
import { auditActions } from '../src/audit/actions.ts'
import { actionOf } from '../src/audit/install.ts'
import { rawCampaign, setup, storeApp, uriOf } from './support.ts'

type Setup = Awaited<ReturnType<typeof setup>>

async function entriesOf({ call }: Setup, query = '', key?: string): Promise<AuditEntry[]> {
  const { status, text } = await call('GET', `/v1/audit${query}`, key === undefined ? {} : { key })
  expect(status).toBe(200)
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditEntry)
}

function idOf(key: string): string {
  return key.split('_')[1] ?? ''
}

test('every writing route has an action', () => {
  const writing = Object.keys(rules).filter((name) => !name.startsWith('GET '))
  expect(writing.filter((name) => !(name in auditActions))).toEqual([])
  expect(Object.keys(auditActions).filter((name) => !(name in rules))).toEqual([])
  expect(Object.entries(auditActions).filter(([, action]) => action === null)).toEqual([
    ['POST /v1/apps/:app/channels::count', null],
  ])

  // Until it has one, it is entered under its own name.
  expect(actionOf('POST /v1/new')).toEqual({ action: 'POST /v1/new', trail: 'control' })
  expect(actionOf('GET /v1/new')).toBeUndefined()
})

test('operations leave entries with key, address, app, object, digests and outcome, and no secret', async () => {
  const bench = await setup()
  const { call, keyFor, admin } = bench
  const sender = await keyFor(['*'], ['read', 'send'])
  await call('PUT', '/v1/apps/news', { body: storeApp })
  await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: 5 } })
  await call('PUT', '/v1/apps/news/channels/c0', { body: { uri: uriOf(0) } })
  const { id } = (await call('POST', '/v1/apps/news/campaigns', { body: rawCampaign, key: sender })).json
  await call('POST', `/v1/campaigns/${id}/cancel`, { key: sender })
  await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: 6 }, key: sender })
  await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, dryRun: true }, key: sender })
  await call('GET', '/v1/apps/news/channels:export')
  const made = (await call('POST', '/v1/keys', { body: { name: 'n', apps: ['news'], verbs: ['read'] } })).json

  const [put, patch, create, cancel, refused, exported, key, read, ...rest] = await entriesOf(bench)
  expect(rest).toEqual([])
  const news = { app: 'news', source: '127.0.0.1', actor: idOf(admin), outcome: 'done' }
  expect(put).toMatchObject({ ...news, seq: 1, action: 'app.put', object: 'news', status: 201 })
  expect(put).not.toHaveProperty('before')
  expect(patch).toMatchObject({ ...news, action: 'app.patch', before: put?.after })
  expect(patch?.after).not.toBe(patch?.before)
  expect(create).toMatchObject({
    actor: idOf(sender),
    app: 'news',
    action: 'campaign.create',
    object: id,
    recipients: 1,
  })
  expect(cancel).toMatchObject({ action: 'campaign.cancel', app: 'news', object: id, before: create?.after })
  expect(cancel?.after).not.toBe(cancel?.before)
  expect(refused).toMatchObject({ action: 'app.patch', outcome: 'refused', status: 403, actor: idOf(sender) })
  expect(exported).toMatchObject({ action: 'channels.export', outcome: 'started' })
  expect(key).toMatchObject({ action: 'key.create', object: made.id })
  expect(read).toMatchObject({ action: 'audit.read' })

  const [device] = await entriesOf(bench, '?trail=devices')
  expect(device).toMatchObject({ trail: 'devices', seq: 1, action: 'channel.put', app: 'news', object: 'c0' })
  const text = JSON.stringify(await entriesOf(bench))
  for (const secret of ['canary-secret', uriOf(0), made.key, admin, 'sync']) expect(text).not.toContain(secret)

  const checker = new AuditChecker()
  for (const entry of await entriesOf(bench)) checker.add(entry)
  expect(checker.result()).toMatchObject({ first: 1, breaks: [] })
})

test('a name that is a secret is not entered', async () => {
  const bench = await setup()
  const { call, admin } = bench
  await call('PUT', `/v1/apps/news/channels/${encodeURIComponent(uriOf('canary'))}/opt-out`)
  await call('DELETE', `/v1/keys/${admin}`)
  const entries = [...(await entriesOf(bench)), ...(await entriesOf(bench, '?trail=devices'))]
  expect(entries.map(({ action }) => action)).toContain('channel.opt-out')
  expect(entries.map(({ action }) => action)).toContain('key.revoke')
  expect(JSON.stringify(entries)).not.toContain('canary')
  expect(JSON.stringify(entries)).not.toContain(admin)
})

test('filters choose entries, and a key sees the entries of its apps alone', async () => {
  const bench = await setup()
  const { call, keyFor, withApp, admin } = bench
  await withApp('news')
  await withApp('other')
  await call('POST', '/v1/apps/news/campaigns', { body: { ...rawCampaign, allowEmpty: true } })
  const ofNews = await keyFor(['news'], ['admin'])
  const actions = async (query: string, key?: string) =>
    (await entriesOf(bench, query, key)).map(({ action, app }) => `${action} ${app}`)

  expect(await actions('?app=news')).toEqual(['app.put news', 'campaign.create news'])
  expect(await actions('?action=campaign.*')).toEqual(['campaign.create news'])
  expect(await actions(`?key=${idOf(admin)}&action=app.put&limit=1&order=newest`)).toEqual(['app.put other'])
  expect(await actions('', ofNews)).toEqual(['app.put news', 'campaign.create news'])
  expect(await actions('?app=other', ofNews)).toEqual([])
  const [first] = await entriesOf(bench)
  expect(await actions(`?after=${first?.id}&limit=1`)).toEqual(['app.put other'])
  expect(await actions('?from=2999-01-01T00:00:00Z')).toEqual([])
  expect((await call('GET', '/v1/audit?after=x')).status).toBe(422)
  expect((await call('GET', '/v1/audit', { key: await keyFor(['news'], ['read']) })).status).toBe(403)
})

test('requests without a valid key leave no entry', async () => {
  const bench = await setup()
  await bench.call('PUT', '/v1/apps/news', { key: null, body: storeApp })
  await bench.call('PUT', '/v1/apps/news', { key: `wnsf_${'0'.repeat(12)}_${'A'.repeat(43)}`, body: storeApp })
  expect((await entriesOf(bench)).map(({ action }) => action)).toEqual(['audit.read'])
})

test('an operation is answered although its entry is refused, and the entry is written as a line', async () => {
  const bench = await setup()
  const { call, redis, keys, audited } = bench
  await redis.set(keys.auditTrail('control'), 'no stream')
  expect((await call('PUT', '/v1/apps/news', { body: storeApp })).status).toBe(201)
  expect(audited.lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
    { stored: false, audit: { trail: 'control', action: 'app.put', app: 'news', outcome: 'done' } },
  ])
  expect(audited.unstored).toBe(1)
  await redis.del(keys.auditTrail('control'))

  await call('PATCH', '/v1/apps/news', { body: { ratePerSecond: 5 } })
  const [entry] = await entriesOf(bench)
  expect(JSON.parse(audited.lines[1] ?? '')).toEqual({ audit: entry })
})
