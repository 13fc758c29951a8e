import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { connect, createServer } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type OpsServer, type OpsServerOptions, createMetrics, startOpsServer } from '../src/index.ts'
import { listen } from './support.ts'

const servers: OpsServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function start(options: Partial<OpsServerOptions> = {}): Promise<OpsServer> {
  const server = await startOpsServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics(),
    ready: () => ({ ready: true, problems: [] }),
    logger: listen().logger,
    ...options,
  })
  servers.push(server)
  return server
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  text: string
}

async function ask(server: OpsServer, path: string, method = 'GET'): Promise<Answer> {
  const call = request(`${server.url}${path}`, { method, agent: false }).end()
  const signal = AbortSignal.timeout(5000)
  const [response]: IncomingMessage[] = await once(call, 'response', { signal })
  if (response === undefined) throw new Error('No response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}

test('/metrics answers the exposition text', async () => {
  const metrics = createMetrics()
  metrics.redisRollbacks.inc()
  const { status, headers, text } = await ask(await start({ metrics }), '/metrics')
  expect(status).toBe(200)
  expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(text).toContain('wns_fanout_redis_rollbacks_total 1')
})

test('/metrics shows whether the process is ready', async () => {
  let isReady = false
  const server = await start({ ready: () => ({ ready: isReady, problems: [] }) })
  expect((await ask(server, '/metrics')).text).toContain('wns_fanout_ready 0\n')
  isReady = true
  expect((await ask(server, '/metrics')).text).toContain('wns_fanout_ready 1\n')
})

test('/servesz follows whether callers get answers, and does not exist for a process without callers', async () => {
  let answersCallers = false
  const server = await start({
    ready: () => ({ ready: false, problems: ['Redis is away'] }),
    serves: () => answersCallers,
  })
  expect(await ask(server, '/servesz')).toMatchObject({ status: 503, text: '{"serves":false}\n' })
  answersCallers = true
  expect(await ask(server, '/servesz')).toMatchObject({ status: 200, text: '{"serves":true}\n' })
  expect((await ask(server, '/elsewhere')).text).toContain('/servesz')
  const other = await ask(await start(), '/servesz')
  expect(other.status).toBe(404)
  expect(other.text).not.toContain('/servesz')
})

test('/healthz answers while the process lives, also when it is not ready', async () => {
  const server = await start({ ready: () => ({ ready: false, problems: ['Redis is away'] }) })
  expect(await ask(server, '/healthz')).toMatchObject({ status: 200, text: '{"alive":true}\n' })
})

test('/healthz answers 503 with the reason when only a restart helps', async () => {
  const server = await start({ stuck: () => 'the connection to Redis has ended' })
  const text = '{"alive":false,"problems":["the connection to Redis has ended"]}\n'
  expect(await ask(server, '/healthz')).toMatchObject({ status: 503, text })
})

test('/readyz reports whether the process is ready, and if not, why', async () => {
  const state = { ready: false, problems: ['Redis is away', 'the data set has changed'] }
  const server = await start({ ready: async () => await Promise.resolve(state) })
  const away = await ask(server, '/readyz')
  expect(away).toMatchObject({ status: 503, text: `${JSON.stringify(state)}\n` })
  expect(away.headers['content-type']).toMatch(/^application\/json/)
  state.ready = true
  state.problems.length = 0
  expect(await ask(server, '/readyz?verbose')).toMatchObject({ status: 200, text: '{"ready":true,"problems":[]}\n' })
})

test('a readiness check that throws or hangs means not ready', async () => {
  const thrown = await start({ ready: () => Promise.reject(new TypeError('redis://:canary@h')) })
  expect(await ask(thrown, '/readyz')).toMatchObject({
    status: 503,
    text: '{"ready":false,"problems":["the readiness check failed: TypeError"]}\n',
  })
  const hanging = await start({ ready: () => new Promise(() => {}), readyTimeoutMs: 20 })
  expect(await ask(hanging, '/readyz')).toMatchObject({
    status: 503,
    text: '{"ready":false,"problems":["the readiness check took longer than 20 ms"]}\n',
  })
})

test('other paths and methods get a helpful answer', async () => {
  const server = await start()
  expect(await ask(server, '/metric')).toMatchObject({
    status: 404,
    text: '{"error":"not-found","paths":["/metrics","/healthz","/readyz"]}\n',
  })
  const posted = await ask(server, '/metrics', 'POST')
  expect(posted.status).toBe(405)
  expect(posted.headers['allow']).toBe('GET, HEAD')
  expect(await ask(server, '/healthz', 'HEAD')).toMatchObject({ status: 200, text: '' })
})

test('a failure while answering is logged, and answered without details', async () => {
  const { logger, lines } = listen()
  const metrics = createMetrics()
  metrics.registry.registerMetric(metrics.lanes)
  metrics.lanes.get = () => Promise.reject(new Error('broken gauge'))
  const server = await start({ metrics, logger })
  expect(await ask(server, '/metrics')).toMatchObject({ status: 500, text: '{"error":"internal"}\n' })
  expect(lines()[0]).toMatchObject({ level: 'error', err: { message: 'broken gauge' } })
})

test('a port in use is reported with the port, the variable and what to do', async () => {
  const squatter = createServer().listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  const address = squatter.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    await expect(start({ port })).rejects.toThrow(
      `OPS_PORT: port ${port} on 127.0.0.1 is in use by another process; set OPS_PORT to a free port, or to 0 for any`,
    )
  } finally {
    squatter.close()
  }
})

test('an address of another machine is reported with the variable to change', async () => {
  await expect(start({ host: '192.0.2.1' })).rejects.toThrow(
    'OPS_PORT: this machine has no address 192.0.2.1; set WNS_FANOUT_HOST to another, for example 127.0.0.1',
  )
})

test('stop ends open connections, may be called twice, and frees the port', async () => {
  const server = await start()
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  await Promise.all([server.stop(), server.stop()])
  await closed
  const again = await start({ port: server.port })
  expect(again.port).toBe(server.port)
})

test('the URL of a server on all addresses is reachable', async () => {
  const server = await start({ host: '0.0.0.0' })
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
  expect((await ask(server, '/healthz')).status).toBe(200)
})

test('/metrics needs the token where there is one, and the probes need none', async () => {
  const server = await start({ token: 'canary-token' })
  const status = async (authorization?: string): Promise<number | undefined> => {
    const headers = authorization === undefined ? {} : { authorization }
    const call = request(`${server.url}/metrics`, { agent: false, headers }).end()
    const [response]: IncomingMessage[] = await once(call, 'response', { signal: AbortSignal.timeout(5000) })
    response?.resume()
    return response?.statusCode
  }
  expect(await status()).toBe(401)
  for (const wrong of ['Bearer x', 'Basic canary-token', 'canary-token', 'Bearer canary-token x'])
    expect([wrong, await status(wrong)]).toEqual([wrong, 401])
  expect(await status('Bearer canary-token')).toBe(200)
  expect((await ask(server, '/metrics')).text).not.toContain('canary')
  expect((await ask(server, '/healthz')).status).toBe(200)
  expect((await ask(server, '/readyz')).status).toBe(200)
})

test('many requests for /metrics within the time of a scrape cost one', async () => {
  const metrics = createMetrics()
  let runs = 0
  metrics.onCollect(() => void (runs += 1))
  const server = await start({ metrics, scrapeCacheMs: 60_000 })
  const texts = await Promise.all(Array.from({ length: 60 }, async () => (await ask(server, '/metrics')).text))
  expect(new Set(texts).size).toBe(1)
  await ask(server, '/metrics')
  expect(runs).toBe(1)

  const fresh = await start({ metrics })
  await ask(fresh, '/metrics')
  await ask(fresh, '/metrics')
  expect(runs).toBe(3)
})
