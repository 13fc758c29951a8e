import { createClient } from '@wns-fanout/client'
import { expect, test } from 'vitest'
import { ndjson, setup, uriOf } from './support.ts'

const channels = '/v1/apps/news/channels'

async function start(count = 6) {
  const api = await setup()
  await api.withApp()
  const lines = Array.from({ length: count }, (_, at) =>
    JSON.stringify({ channel: `c${at}`, uri: uriOf(`c${at}`), tags: [at % 2 === 0 ? 'even' : 'odd'] }),
  )
  await api.call('POST', `${channels}:import`, { headers: ndjson, body: lines.join('\n') })
  const countOf = async (tags: string): Promise<number> =>
    (await api.call('POST', `${channels}:count`, { body: { audience: { tags } } })).json.count
  return { ...api, lines, countOf }
}
const plain = { 'content-type': 'text/plain' }

test('tags are added and removed by id and by audience', async () => {
  const { call, countOf } = await start()
  const body = 'c0\nc1\nstranger\n'

  const added = await call('POST', `${channels}:tag?tags=rome,italy`, { headers: plain, body })

  expect(added).toMatchObject({
    status: 200,
    json: { matched: 2, updated: 2, unchanged: 0, refused: 0, unknown: 1 },
  })
  expect(await countOf('rome and italy')).toBe(2)
  const again = await call('POST', `${channels}:tag?tags=rome`, { body: { audience: { tags: 'rome or odd' } } })
  expect(again.json).toEqual({ matched: 4, updated: 2, unchanged: 2, refused: 0, unknown: 0 })
  expect((await call('GET', `${channels}/c1`)).json.tags).toEqual(['odd', 'rome', 'italy'])
  expect((await call('POST', `${channels}:untag?tags=italy,odd`, { body: { audience: { all: true } } })).json).toEqual({
    matched: 6,
    updated: 4,
    unchanged: 2,
    refused: 0,
    unknown: 0,
  })
  expect(await countOf('italy or odd')).toBe(0)
  expect(await countOf('rome')).toBe(4)
})

test('a 51st tag is refused for its channel alone', async () => {
  const { call } = await start(2)
  const many = Array.from({ length: 49 }, (_, at) => `t${at}`).join(',')
  await call('POST', `${channels}:tag?tags=${many}`, { headers: plain, body: 'c0' })
  const { json } = await call('POST', `${channels}:tag?tags=more`, { headers: plain, body: 'c0\nc1' })
  expect(json).toEqual({ matched: 2, updated: 1, unchanged: 0, refused: 1, unknown: 0 })
})

test('opt-outs by id are kept for channels that are not registered', async () => {
  const { call, countOf } = await start()
  const out = await call('POST', `${channels}:opt-out`, { headers: plain, body: 'c0\nlater\n' })
  expect(out.json).toEqual({ matched: 2, updated: 2, unchanged: 0, refused: 0, unknown: 0 })
  expect(await countOf('even')).toBe(2)
  await call('PUT', `${channels}/later`, { body: { uri: uriOf('later'), tags: ['even'] } })
  expect(await countOf('even')).toBe(2)
  const back = await call('POST', `${channels}:opt-in`, { body: { audience: { all: true } } })
  expect(back.json).toMatchObject({ matched: 7, updated: 2, unchanged: 5 })
  expect(await countOf('even')).toBe(4)
})

test('opt-outs of a topic by ids and by audience count for that topic alone, and are listed', async () => {
  const { call, countOf } = await start()
  const out = await call('POST', `${channels}:opt-out?topic=weather`, { headers: plain, body: 'c0\nlater\n' })
  expect(out.json).toEqual({ matched: 2, updated: 2, unchanged: 0, refused: 0, unknown: 0 })
  const more = await call('POST', `${channels}:opt-out?topic=weather`, { body: { audience: { tags: 'even' } } })
  expect(more.json).toMatchObject({ matched: 3, updated: 2, unchanged: 1 })
  await call('PUT', `${channels}/c1/opt-out?topic=sport`)
  await call('PUT', `${channels}/c1/opt-out`)
  const count = async (topic: string) =>
    (await call('POST', `${channels}:count`, { body: { audience: { all: true }, topic } })).json
  expect(await count('weather')).toEqual({ count: 2, optedOut: 1, optedOutOfTopic: 3 })
  expect(await count('sport')).toEqual({ count: 5, optedOut: 1, optedOutOfTopic: 0 })
  expect(await countOf('even')).toBe(3)
  expect((await call('GET', `${channels}/c0`)).json).toMatchObject({ optedOutOf: ['weather'] })
  const listed = await call('GET', `${channels}?optedOut=true&topic=weather`)
  expect(listed.json.items).toMatchObject([
    { channel: 'c0' },
    { channel: 'c2' },
    { channel: 'c4' },
    { registered: false },
  ])
  expect((await call('GET', `${channels}?topic=weather`)).status).toBe(422)
  const page = (await call('GET', `${channels}?optedOut=true&limit=1`)).json
  const rest = (await call('GET', `${channels}?optedOut=true&after=${page.next}`)).json
  expect([...page.items, ...rest.items].map(({ channel }: { channel: string }) => channel)).toEqual([
    'c0',
    'c1',
    'c2',
    'c4',
    'later',
  ])
  const back = await call('POST', `${channels}:opt-in?topic=weather`, { headers: plain, body: 'c0\nstranger\n' })
  expect(back.json).toMatchObject({ matched: 1, updated: 1, unknown: 1 })
  expect(await count('weather')).toMatchObject({ optedOutOfTopic: 2 })
})

test('channels are deleted by a list of ids and by audience', async () => {
  const { call } = await start()
  expect((await call('POST', `${channels}:delete`, { headers: plain, body: 'c0\n' })).json).toMatchObject({
    updated: 1,
  })
  const rest = await call('POST', `${channels}:delete`, { body: { audience: { tags: 'odd' } } })
  expect(rest.json).toMatchObject({ matched: 3, updated: 3 })
  expect((await call('GET', '/v1/apps/news')).json.channels).toBe(2)
  expect((await call('POST', `${channels}:activate`, { body: { audience: { all: true } } })).json).toMatchObject({
    matched: 2,
    unchanged: 2,
  })
})

test('a change with a wrong body, audience, tag or app is refused with the reason', async () => {
  const { call } = await start(1)
  const audience = { all: true }
  expect(await call('POST', `${channels}:tag?tags=Rome`, { body: { audience } })).toMatchObject({ status: 422 })
  expect(await call('POST', `${channels}:tag`, { body: { audience } })).toMatchObject({ status: 422 })
  expect(await call('POST', `${channels}:delete`, { body: { audience: { al: true } } })).toMatchObject({ status: 422 })
  expect(await call('POST', `${channels}:delete`, { body: { audience: { list: 'none' } } })).toMatchObject({
    status: 404,
  })
  expect(await call('POST', '/v1/apps/nothing/channels:delete', { body: { audience } })).toMatchObject({ status: 404 })
  const xml = { 'content-type': 'text/xml' }
  expect(await call('POST', `${channels}:delete`, { headers: xml, body: '<a/>' })).toMatchObject({ status: 415 })
})

test('the client shows the progress of a change of an audience', async () => {
  const { url, admin, countOf } = await start(1200)
  const api = createClient({ url: `${url}/v1/`, apiKey: admin })
  const steps: number[] = []
  const result = await api.changeChannels('news', 'tag', {
    audience: { all: true },
    tags: ['all'],
    onProgress: ({ done }) => steps.push(done),
  })
  expect(result).toEqual({ matched: 1200, updated: 1200, unchanged: 0, refused: 0, unknown: 0 })
  expect(steps).toEqual(steps.toSorted((left, right) => left - right))
  expect(await countOf('all')).toBe(1200)
  const ids = await api.changeChannels('news', 'untag', { ids: ['c1\nc2\n'], type: 'ids', tags: ['all'] })
  expect(ids).toMatchObject({ matched: 2, updated: 2 })
  await api.close()
})

test('channels that an import does not name are removed, within the share that is allowed', async () => {
  const { call, lines, redis, keys } = await start(10)
  const name = 'nightly-1'
  const upload = (some: readonly string[]) =>
    call('POST', `${channels}:import?import=${name}`, { headers: ndjson, body: some.join('\n') })
  const remove = (rest: object = {}) => call('POST', `${channels}:remove-missing`, { body: { import: name, ...rest } })
  await upload(lines.slice(0, 4))
  await upload(lines.slice(4, 7))
  // A line that is rejected names its channel all the same.
  await upload([JSON.stringify({ channel: 'c7', uri: 'https://example.com/' })])

  const secondsOf = (mark: string) => redis.ttl(keys.temporary('news', `${name}:${mark}`))
  expect(await secondsOf('kept')).toBeGreaterThan(await secondsOf('started'))
  expect((await remove({ dryRun: true })).json).toEqual({ registered: 10, missing: 2, removed: 0 })
  expect(await remove()).toMatchObject({ status: 409, json: { detail: expect.stringContaining('2 of 10') } })
  expect(await remove({ maxShare: 0.2 })).toMatchObject({ status: 200 })
  expect(await call('POST', `${channels}:remove-missing`, { body: { import: 'unknown-1' } })).toMatchObject({
    status: 404,
  })
})

test('channels that registered since an import began are not missing', async () => {
  const { call, lines, redis, keys } = await start(3)
  const name = 'nightly-2'
  await call('POST', `${channels}:import?import=${name}`, { headers: ndjson, body: lines.slice(0, 2).join('\n') })
  const later = { import: name, maxShare: 1 }
  // As if the import had begun before all of them registered.
  const started = keys.temporary('news', `${name}:started`)
  const second = Number(await redis.get(started))
  await redis.set(started, String(second - 60))
  expect((await call('POST', `${channels}:remove-missing`, { body: later })).json).toMatchObject({
    missing: 1,
    removed: 0,
  })
  await redis.set(started, String(second + 60))
  expect((await call('POST', `${channels}:remove-missing`, { body: later })).json).toMatchObject({ removed: 1 })
})

test('nothing is removed while the id of a line cannot be read', async () => {
  const { call, lines } = await start(3)
  const body = [...lines.slice(0, 2), '{'].join('\n')
  await call('POST', `${channels}:import?import=nightly-3`, { headers: ndjson, body })
  const answer = await call('POST', `${channels}:remove-missing`, { body: { import: 'nightly-3', maxShare: 1 } })
  expect(answer).toMatchObject({ status: 409, json: { detail: expect.stringContaining('ids of 1 lines') } })
  expect((await call('GET', '/v1/apps/news')).json.channels).toBe(3)
})

test('a dry run of an import changes nothing and counts', async () => {
  const { call, lines } = await start(3)
  const extra = JSON.stringify({ channel: 'new', uri: uriOf('new') })
  const body = [lines[0], extra].join('\n')
  const { json } = await call('POST', `${channels}:import?import=nightly-4&dryRun=true`, { headers: ndjson, body })
  expect(json).toMatchObject({ created: 1, unchanged: 1, rejected: 0 })
  expect((await call('GET', '/v1/apps/news')).json.channels).toBe(3)
  const missing = await call('POST', `${channels}:remove-missing`, { body: { import: 'nightly-4', dryRun: true } })
  expect(missing.json).toEqual({ registered: 3, missing: 2, removed: 0 })
})
