import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { CampaignId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Logger } from '@wns-fanout/runtime'
import { fastify } from 'fastify'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { ruleOf } from './access.ts'
import { installAuth } from './auth.ts'
import { installAudit } from './audit/install.ts'
import { limitBodyTime } from './body-time.ts'
import { installBodies } from './bodies.ts'
import { installOpenApi } from './openapi.ts'
import { withNearestApp } from './nearest-app.ts'
import type { ProblemAnswer } from './problem.ts'
import { answerOf, methodNotAllowed, problemFrom } from './problem.ts'
import type { ApiDeps } from './deps.ts'
import { appRoutes } from './routes/apps.ts'
import { auditRoutes } from './routes/audit.ts'
import { campaignRoutes } from './routes/campaigns.ts'
import { campaignSearchRoutes } from './routes/campaign-search.ts'
import { channelRoutes } from './routes/channels.ts'
import { eventRoutes } from './routes/events.ts'
import { keyRoutes } from './routes/keys.ts'
import { listRoutes } from './routes/lists.ts'
import { scheduleRoutes } from './routes/schedules.ts'
import { stopRoutes } from './routes/stops.ts'
import { templateRoutes } from './routes/templates.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { uploadRoutes } from './routes/uploads.ts'
import { channelChangeRoutes } from './routes/channel-changes.ts'
import { cleanupRoutes } from './routes/cleanup.ts'
import { missingChannelRoutes } from './routes/missing-channels.ts'
import { OpenRequests } from './open-requests.ts'
import { ProgressStreams } from './sse.ts'

/** Largest JSON body. */
export const MAX_BODY_BYTES = 1024 * 1024

/** The API's instance: fastify with schemas of zod. */
export type Api = FastifyInstance<
  Server,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>

export interface ServerOptions {
  /** How long `close` lets requests finish before it ends their connections. */
  readonly stopGraceMs?: number
  /** How long an idle connection is kept. */
  readonly keepAliveMs?: number
  /** Requests per second that one API key may make in the long run. */
  readonly requestsPerSecond?: number
  /** The longest time that a body may take to arrive, unless it is an upload. */
  readonly bodyMs?: number
  /** The longest time without bytes of an upload. */
  readonly uploadIdleMs?: number
  /** Addresses and networks of the proxies whose `X-Forwarded-For` is believed. */
  readonly trustProxy?: readonly string[]
  /** Are `/openapi.json` and `/docs` served? */
  readonly hasDocs?: boolean
}

/**
 * The HTTP API; `listen` and `close` are the caller's.
 *
 * @param onRequestEnd called after each response, for metrics; `route` is the method and the template of the path
 */
export async function buildServer(
  deps: ApiDeps,
  {
    stopGraceMs = 10_000,
    keepAliveMs = 90_000,
    bodyMs = 60_000,
    uploadIdleMs = 60_000,
    requestsPerSecond = 1000,
    trustProxy = [],
    hasDocs = true,
  }: ServerOptions = {},
  onRequestEnd?: (end: { readonly route: string; readonly status: number; readonly durationMs: number }) => void,
): Promise<Api> {
  const { logger } = deps
  const app: Api = fastify({
    logger: false,
    trustProxy: trustProxy.length === 0 ? false : [...trustProxy],
    bodyLimit: MAX_BODY_BYTES,
    // An upload of millions of channels may take an hour. `limitBodyTime` and the readers of uploads end slow bodies;
    // a socket on which nothing moves is closed.
    requestTimeout: 0,
    connectionTimeout: 120_000,
    // Longer than the idle timeout of usual load balancers (60 to 75 s), which reuse a connection until then. Idle time
    // does not count for the limits above and below.
    keepAliveTimeout: keepAliveMs,
    // Node would refuse a request without Host by itself, with no document and no X-Request-Id.
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 5_000, requireHostHeader: false },
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    // A percent-encoded channel id of 128 characters.
    routerOptions: { maxParamLength: 512 },
    genReqId: requestIdOf,
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, answerOf(problemFrom(error))),
    clientErrorHandler: answerGarbage,
  }).withTypeProvider<ZodTypeProvider>()
  app.server.maxConnections = 10_000
  // An unknown expectation may be ignored. Node would answer 417 by itself, without an X-Request-Id.
  app.server.on('checkExpectation', (request, response) => void app.server.emit('request', request, response))
  // Without a matching path and method, the body is not read.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))

  const paths = new KnownPaths()
  app.addHook('onRoute', ({ method, url }) => paths.add([method].flat(), url))
  app.addHook('onRequest', async (request, reply) => void reply.headers(answerHeaders(request.id)))
  app.addHook('onRequest', async ({ raw }) => {
    if (raw.httpVersion !== '1.0' && raw.headersDistinct['host']?.length !== 1)
      throw new Problem('bad-request', 'a request of HTTP/1.1 has exactly one Host header')
  })
  limitBodyTime(app, bodyMs)
  app.addHook('onResponse', async (request, reply) => {
    logRequest(logger, request, reply)
    onRequestEnd?.({ route: routeOf(request), status: reply.statusCode, durationMs: reply.elapsedTime })
  })
  app.setErrorHandler(async (error, request, reply) => {
    const problem = await withNearestApp(problemFrom(error), request, deps.apps)
    if (problem.code === 'internal')
      logger.error({ requestId: request.id, route: routeOf(request), err: error }, 'a request failed')
    // The loss of data was logged once; each request meanwhile would log it again.
    else if (problem.status >= 500 && deps.dataProblem() === undefined)
      logger.warn({ requestId: request.id, route: routeOf(request), err: error }, 'a request cannot be served now')
    sendProblem(request, reply, answerOf(problem))
    return reply
  })
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '/'
    const methods = paths.methodsOf(path)
    sendProblem(
      request,
      reply,
      methods.length > 0 && !methods.includes(request.method)
        ? methodNotAllowed(request.method, methods)
        : answerOf(new Problem('not-found', 'no route has this path; /docs lists all routes')),
    )
  })

  const progress = new ProgressStreams({ read: (ref) => deps.campaigns.get(ref), logger, ...deps.progress })
  const open = new OpenRequests((key) => deps.apiKeys.isUsable(key))
  app.addHook('preClose', async () => {
    progress.stop()
    open.stop()
    // A stalled reader, or an upload without end, would delay the shutdown until its connection is closed.
    const timer = setTimeout(() => app.server.closeAllConnections(), stopGraceMs)
    app.server.once('close', () => clearTimeout(timer))
  })

  if (hasDocs) await installOpenApi(app)
  const confirmWrites = deps.confirmWrites
  if (confirmWrites !== undefined) installConfirmation(app, confirmWrites)
  await app.register(
    async (v1) => {
      installAuth(v1, {
        dataProblem: deps.dataProblem,
        open,
        requestsPerSecond,
        isFamiliarKey: (key) => deps.apiKeys.isFamiliar(key),
        verifyKey: (key) => deps.apiKeys.verify(key),
        appOfCampaign: (id) => deps.campaigns.appOf(id as CampaignId),
      })
      installAudit(v1, deps.audit)
      await v1.register(async (json) => {
        installBodies(json)
        appRoutes(json, deps)
        channelRoutes(json, deps)
        missingChannelRoutes(json, deps)
        cleanupRoutes(json, deps)
        listRoutes(json, deps)
        campaignRoutes(json, deps, progress)
        campaignSearchRoutes(json, deps)
        scheduleRoutes(json, deps)
        templateRoutes(json, deps)
        eventRoutes(json, deps)
        webhookRoutes(json, deps)
        keyRoutes(json, deps)
        stopRoutes(json, deps)
        auditRoutes(json, deps)
      })
      await v1.register(async (uploads) => uploadRoutes(uploads, deps, uploadIdleMs))
      await v1.register(async (changes) => channelChangeRoutes(changes, deps, uploadIdleMs))
    },
    { prefix: '/v1' },
  )
  return app
}

/** A success of a request that writes is answered only once the replicas have what was written. */
function installConfirmation(app: Api, confirm: () => Promise<boolean>): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const rule = ruleOf(request)
    if (rule === undefined || rule.verb === 'read' || reply.statusCode >= 300 || (await confirm())) return payload
    throw new Problem(
      'unavailable',
      'it was written, but too few replicas of Redis have it yet, so a failover may lose it; repeat the request',
      { retryAfterSeconds: 2 },
    )
  })
}

// A caller's own id is kept if it is harmless in a log.
function requestIdOf({ headers }: { readonly headers: NodeJS.Dict<string | string[]> }): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(given) ? given : randomUUID()
}

function answerHeaders(requestId: string): Record<string, string> {
  return {
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  }
}

// How long a rejected upload may continue, so that its sender reads the response instead of a broken connection.
const LINGER_MS = 5000

function sendProblem(request: FastifyRequest, reply: FastifyReply, { status, headers, document }: ProblemAnswer): void {
  const { raw } = request
  if (!raw.complete && !raw.destroyed && request.method !== 'GET') {
    void reply.removeHeader('connection')
    const timer = setTimeout(() => raw.socket.destroy(), LINGER_MS)
    raw.once('close', () => clearTimeout(timer))
    raw.resume()
  }
  void reply
    .code(status)
    .headers({ ...answerHeaders(request.id), ...headers })
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(document)
}

/** Input that is not HTTP has no request, so the response is written to the socket. */
function answerGarbage(error: NodeJS.ErrnoException, socket: import('node:net').Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW'
  const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const { document } = answerOf(
    new Problem(
      'bad-request',
      isTooLarge ? 'the headers are too large' : isLate ? 'the request did not arrive in time' : 'this is not HTTP/1.1',
    ),
  )
  const status = isTooLarge ? '431 Request Header Fields Too Large' : isLate ? '408 Request Timeout' : '400 Bad Request'
  const body = JSON.stringify({ ...document, status: Number(status.slice(0, 3)) })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/problem+json\r\nx-request-id: ${randomUUID()}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  )
}

/** Changes are logged at info, reads at debug: the names in the path, but no body and no header. */
function logRequest(logger: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const event = {
    requestId: request.id,
    route: routeOf(request),
    // Without a route, the only parameter is the path as it was sent, which may contain anything.
    ...(request.routeOptions.url === undefined ? {} : { names: request.params }),
    status: reply.statusCode,
    durationMs: Math.round(reply.elapsedTime),
    keyId: request.caller?.id,
  }
  if (request.method === 'GET') logger.debug(event, 'request')
  else logger.info(event, 'request')
}

function routeOf(request: FastifyRequest): string {
  return `${request.method} ${request.routeOptions.url ?? '(none)'}`
}

/** The methods of each path, to distinguish an unknown path from a method that is not allowed. */
class KnownPaths {
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>()

  add(methods: readonly string[], url: string): void {
    const known = this.#methods.get(url) ?? { pattern: patternOf(url), methods: new Set<string>() }
    for (const method of methods) known.methods.add(method)
    this.#methods.set(url, known)
  }

  methodsOf(path: string): string[] {
    const found = new Set<string>()
    for (const { pattern, methods } of this.#methods.values())
      if (pattern.test(path)) for (const method of methods) found.add(method)
    return [...found].toSorted()
  }
}

// `::` is a colon, `:name` one segment, `*` the rest.
function patternOf(url: string): RegExp {
  const source = url.replaceAll(/::|:[A-Za-z]+|\*|[.+?^${}()|[\]\\]/g, (token) => {
    if (token === '::') return ':'
    if (token === '*') return '.*'
    return token.startsWith(':') ? '[^/]+' : `\\${token}`
  })
  return new RegExp(`^${source}$`)
}
