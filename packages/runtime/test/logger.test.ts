import { test as property, fc } from '@fast-check/vitest'
import { growsLinearly } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { redactText } from '../src/index.ts'
import { listen } from './support.ts'

const canary = 'c4n4ry'

test('one event is one JSON line with level, time, name and pid', () => {
  const { logger, text, lines } = listen()
  logger.info({ app: 'news' }, 'two\nlines')
  expect(text().split('\n')).toHaveLength(2)
  expect(lines()).toEqual([
    {
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      name: 'test',
      pid: process.pid,
      app: 'news',
      msg: 'two\nlines',
    },
  ])
})

test('lines below the level are not written, and "silent" writes nothing', () => {
  const warn = listen('warn')
  warn.logger.info('no')
  warn.logger.warn('yes')
  expect(warn.lines().map(({ msg }) => msg)).toEqual(['yes'])
  const silent = listen('silent')
  silent.logger.fatal('no')
  expect(silent.text()).toBe('')
})

const uri = `https://db5p.notify.windows.com/?token=AwYAAAD${canary}%2fx%3d`

function replyError(): Error {
  return Object.assign(new Error('ERR wrong number of arguments'), {
    name: 'ReplyError',
    command: { name: 'hset', args: ['wf:{news}:uri:0', canary] },
    previousErrors: [{ args: [canary] }],
  })
}

// Each row is a way in which people log; none of them may let the canary through.
const ways: Record<string, (log: ReturnType<typeof listen>['logger']) => void> = {
  'a field': (log) => log.info({ clientSecret: canary }),
  'a nested field': (log) => log.info({ request: { headers: { authorization: `Bearer ${canary}` } } }),
  'a field in a list': (log) => log.info({ channels: [{ id: 1 }, { uri: canary }] }),
  'a list of secrets': (log) => log.info({ keys: 1, key: [canary] }),
  'an object under a secret name': (log) => log.info({ credentials: { kind: 'store', packageSid: canary } }),
  'another spelling': (log) =>
    log.info({ 'Client-Secret': canary, access_token: canary, API_KEY: canary, apiKey: canary }),
  'a payload': (log) =>
    log.info({ payload: `<toast>${canary}</toast>`, body: canary, xml: canary, content: { title: canary } }),
  'variables of a channel': (log) => log.info({ vars: { name: canary } }),
  'a Redis error': (log) => log.error({ err: replyError() }),
  'a bare Redis error': (log) => log.error(replyError(), 'failed'),
  'a Redis error as cause': (log) => log.error({ err: new Error('plan failed', { cause: replyError() }) }),
  'a Redis error among several': (log) => log.error({ err: new AggregateError([replyError()], 'all failed') }),
  'a Redis error under another name': (log) =>
    log.error({ failure: replyError(), error: replyError(), list: [replyError()] }),
  'an error with a request': (log) =>
    log.error({ err: Object.assign(new Error('x'), { request: { body: canary }, headers: [canary], body: canary }) }),
  'an error message with an address': (log) => log.error({ err: new Error(`connect ${uri} failed`) }),
  'an error that Redis words': (log) =>
    log.error({ err: new Error(`ERR unknown command 'HSTE', with args beginning with: 'wf:x' '${canary}' `) }),
  'an address in the message': (log) => log.info(`posting to ${uri}`),
  'an address that is escaped': (log) => log.info({ at: encodeURIComponent(uri) }),
  'an address in the middle of a text': (log) => log.info({ note: `see "${uri}" for more` }),
  'an address as field name': (log) => log.info({ byUri: { [uri]: 1 } }),
  'an address without scheme': (log) => log.info(`db5p.notify.windows.com:443/?token=${canary}`),
  'a bearer token': (log) => log.info(`sent Authorization: Bearer ${canary}.${canary}`),
  'an API key as the id of a request': (log) =>
    log.info({ requestId: `wnsf_0123456789ab_${canary.repeat(43).slice(0, 43)}` }),
  'another authorization': (log) => log.info(`authorization: Basic ${canary}==`),
  'a password in a URL': (log) => log.info({ redis: `rediss://user:${canary}@redis:6379/0` }),
  'a password with an at sign': (log) => log.info(`redis://user:a@${canary}@h:1/0`),
  'a password of a cluster URL': (log) => log.info(`redis+cluster://:${canary}@h1:1,h2:2`),
  'a form body': (log) => log.info(`grant_type=client_credentials&client_secret=${canary}&scope=x`),
  'JSON in a text': (log) => log.info(`answer {"access_token":"${canary}","expires_in":1}`),
  'JSON in a JSON text': (log) => log.info({ answer: JSON.stringify({ inner: JSON.stringify({ token: canary }) }) }),
  'an inspected object': (log) => log.info(`options { password: '${canary}', x: 1 }`),
  'an interpolated object': (log) => log.info('got %o and %j', { token: canary }, { deep: { secret: canary } }),
  'an interpolated text': (log) => log.info('got %s', uri),
  'a child logger': (log) => log.child({ token: canary }).info('x'),
  'a child of a child': (log) =>
    log
      .child({ a: 1 })
      .child({ connection: { password: canary } })
      .info('x'),
  'bindings set later': (log) => {
    const child = log.child({})
    child.setBindings({ secret: canary })
    child.info('x')
  },
  bytes: (log) => log.info({ data: Buffer.from(canary), nested: { more: Buffer.from(canary) } }),
  'a URL object': (log) => log.info({ url: new URL(`https://user:${canary}@example.com/`) }),
  'a deep object': (log) => log.info({ a: { b: { c: { d: { token: canary } } } } }),
  'a circle': (log) => {
    const circle: Record<string, unknown> = { secret: canary }
    circle['self'] = circle
    log.info(circle)
  },
}

test.each(Object.entries(ways))('no secret gets out by %s', (_way, write) => {
  const { logger, text, lines } = listen()
  write(logger)
  expect(lines()).toHaveLength(1)
  expect(text()).not.toContain(canary)
  expect(text()).not.toContain(Buffer.from(canary).toString('base64'))
  expect(text()).not.toContain([...Buffer.from(canary)].join(','))
})

const secretName = fc
  .constantFrom(
    'token',
    'uri',
    'clientSecret',
    'client_secret',
    'password',
    'Authorization',
    'key',
    'payload',
    'command',
  )
  .chain((name) => fc.constantFrom(name, name.toUpperCase(), `${name}_`))
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium' },
    fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.constant(null), fc.boolean()),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('tree'), { maxKeys: 3 }),
    fc.array(tie('tree'), { maxLength: 3 }),
    // The canary in any shape, but always under a name that marks it as secret.
    fc.tuple(secretName, tie('hidden')).map(([name, value]) => ({ [name]: value })),
  ),
  hidden: fc.oneof(
    fc.constant(canary),
    fc.constant([canary]),
    fc.constant({ name: 'hset', args: [canary, { deeper: canary }] }),
    tie('tree').map((value) => ({ value, more: canary })),
  ),
}))

property.prop([tree, fc.string({ unit: 'binary' })])(
  'whatever is logged is one line of JSON without secrets',
  (value, message) => {
    const { logger, text, lines } = listen()
    logger.info({ value }, message)
    expect(text()).toMatch(/^[^\n]+\n$/)
    expect(text()).not.toContain(canary)
    expect(lines()).toHaveLength(1)
  },
)

test('values that are no secrets stay readable', () => {
  const { logger, lines } = listen()
  const err = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:6379', { cause: new TypeError('inner') }), {
    code: 'ECONNREFUSED',
    port: 6379,
  })
  logger.warn(
    {
      app: 'news',
      campaign: 'c1',
      token: null,
      key: 7,
      tokenRequests: 3,
      origin: 'https://db5p.notify.windows.com',
      err,
    },
    'The token of app news was refused: check its client id, then see https://example.com/docs?page=2',
  )
  expect(lines()[0]).toMatchObject({
    app: 'news',
    campaign: 'c1',
    token: null,
    key: 7,
    tokenRequests: 3,
    origin: 'https://db5p.notify.windows.com',
    err: {
      type: 'Error',
      message: 'connect ECONNREFUSED 127.0.0.1:6379',
      code: 'ECONNREFUSED',
      port: 6379,
      stack: expect.stringContaining('logger.test'),
      cause: { type: 'TypeError', message: 'inner' },
    },
    msg: 'The token of app news was refused: check its client id, then see https://example.com/docs?page=2',
  })
})

test('redacted values have a mark', () => {
  const { logger, lines } = listen()
  logger.info({
    token: 'x',
    data: Buffer.from('x'),
    at: 'https://db5p.notify.windows.com/?token=x',
    url: 'redis://:x@h:1',
  })
  expect(lines()[0]).toMatchObject({
    token: '[secret]',
    data: '[bytes]',
    at: 'https://db5p.notify.windows.com/[secret]',
    url: 'redis://[secret]@h:1',
  })
})

test('characters that control a terminal or a log reader are escaped', () => {
  const { logger, text, lines } = listen()
  const hostile = 'a\r\n\u001B[2J\u0085\u009B31m\u2028\u202Eb\u007F'
  logger.info({ [hostile]: hostile }, hostile)
  expect(text()).toMatch(/^[\u0020-\u007E]+\n$/)
  expect(lines()[0]).toMatchObject({ msg: hostile, [hostile]: hostile })
})

test('a cut text leaks no part of a secret', () => {
  for (let padding = 16_300; padding < 16_400; padding += 1) {
    const text = `${'x '.repeat(padding / 2)}redis://user:${canary.repeat(10)}@host:6379 and more`
    expect(redactText(text)).not.toContain('c4n')
  }
})

test.each([
  'notify.windows.com',
  'a://',
  'a.',
  'http://x',
  'token="',
  'token\\"="',
  'secret=',
  'bearer ',
  'bearer',
  '\\"',
  'authorization: a ',
  'with args beginning with',
])('a long hostile text of "%s" is cleaned in linear time', (part) => {
  expect(redactText(part.repeat(1_000_000)).length).toBeLessThan(100_000)
  expect(growsLinearly(2000, (size) => redactText(part.repeat(size)))).toBe(true)
})
