import { createHash, timingSafeEqual } from 'node:crypto'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

export interface Readiness {
  readonly ready: boolean
  readonly problems: readonly string[]
  /** What an operator should change although the process serves, for people. */
  readonly warnings?: readonly string[]
}

export interface OpsServerOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  readonly metrics: Pick<Metrics, 'scrape' | 'registry' | 'ready'>
  readonly ready: () => Readiness | Promise<Readiness>
  /**
   * Whether the process answers its callers, even if only to report that Redis is away. `/servesz` reports it; absent
   * for a process without callers.
   */
  readonly serves?: () => boolean
  /** Why only a restart helps this process, for people; undefined if it is well. */
  readonly stuck?: () => string | undefined
  readonly logger: Logger
  /** The variable that an error about the port names; default OPS_PORT. */
  readonly portVariable?: string
  /** What a request for `/metrics` must send as `Authorization: Bearer`; absent: nothing. */
  readonly token?: string | undefined
  /** How long a scrape is the answer to others, in milliseconds, so that many cost no more than one; default 0. */
  readonly scrapeCacheMs?: number
  /** How long `/readyz` waits for `ready`, in milliseconds; default 2000. */
  readonly readyTimeoutMs?: number
}

export interface OpsServer {
  readonly url: string
  readonly port: number
  stop(): Promise<void>
}

const STOP_GRACE_MS = 1000

/**
 * Serves /metrics, /healthz, /readyz and, with `serves`, /servesz. Throws an error with port and variable when it
 * cannot listen.
 */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { host, logger, readyTimeoutMs = 2000 } = options
  const scrape = cached(
    () => options.metrics.scrape(showReady(options.metrics, options.ready, readyTimeoutMs)),
    options.scrapeCacheMs ?? 0,
  )
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5000, keepAliveTimeout: 5000 },
    (request, response) => {
      answer(request, response, options, { readyTimeoutMs, scrape }).catch((error: unknown) => {
        logger.error({ err: error }, 'ops request failed')
        if (!response.headersSent) sendJson(response, 500, { error: 'internal' })
        else response.destroy()
      })
    },
  )
  await listen(server, options)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  let stopped: Promise<void> | undefined
  return {
    url: `http://${reachable(host)}:${port}`,
    port,
    stop: () => (stopped ??= close(server)),
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { metrics, ready, serves, stuck, token }: OpsServerOptions,
  { readyTimeoutMs, scrape }: { readonly readyTimeoutMs: number; readonly scrape: () => Promise<string> },
): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    sendJson(response, 405, { error: 'method-not-allowed', allow: ['GET', 'HEAD'] })
    return
  }
  switch (path) {
    case '/metrics':
      if (token !== undefined && !isBearer(request.headers.authorization, token)) {
        response.setHeader('www-authenticate', 'Bearer')
        sendJson(response, 401, {
          error: 'unauthenticated',
          wanted: 'Authorization: Bearer <WNS_FANOUT_OPS_TOKEN_FILE>',
        })
        return
      }
      send(response, 200, metrics.registry.contentType, await scrape())
      return
    case '/healthz': {
      const problem = stuck?.()
      if (problem === undefined) sendJson(response, 200, { alive: true })
      else sendJson(response, 503, { alive: false, problems: [problem] })
      return
    }
    case '/readyz': {
      const state = await readiness(ready, readyTimeoutMs)
      sendJson(response, state.ready ? 200 : 503, state)
      return
    }
    case '/servesz':
      if (serves === undefined) break
      sendJson(response, serves() ? 200 : 503, { serves: serves() })
      return
    default:
  }
  const paths = ['/metrics', '/healthz', '/readyz', ...(serves === undefined ? [] : ['/servesz'])]
  sendJson(response, 404, { error: 'not-found', paths })
}

/** Of equal length, so that the time shows nothing about the token. */
function isBearer(header: string | undefined, token: string): boolean {
  return timingSafeEqual(sha256(header ?? ''), sha256(`Bearer ${token}`))
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** With `ms` above 0, one run at a time, whose result is the answer for `ms` after its end. */
function cached<T>(run: () => Promise<T>, ms: number): () => Promise<T> {
  let last: { readonly result: Promise<T>; untilMs: number } | undefined
  return () => {
    if (last !== undefined && performance.now() < last.untilMs) return last.result
    const current = { result: run(), untilMs: ms === 0 ? 0 : Infinity }
    last = current
    const end = (lifeMs: number) => () => {
      current.untilMs = performance.now() + lifeMs
    }
    // A failure is no answer for others.
    current.result.then(end(ms), end(0))
    return current.result
  }
}

// A check that hangs or throws means "not ready"; the request never hangs or fails.
async function readiness(ready: OpsServerOptions['ready'], timeoutMs: number): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Readiness>((resolve) => {
    timer = setTimeout(() => {
      resolve({ ready: false, problems: [`the readiness check took longer than ${timeoutMs} ms`] })
    }, timeoutMs)
  })
  try {
    return await Promise.race([(async () => await ready())(), late])
  } catch (error) {
    return { ready: false, problems: [`the readiness check failed: ${error instanceof Error ? error.name : 'error'}`] }
  } finally {
    clearTimeout(timer)
  }
}

async function showReady(
  metrics: OpsServerOptions['metrics'],
  ready: OpsServerOptions['ready'],
  timeoutMs: number,
): Promise<void> {
  metrics.ready.set((await readiness(ready, timeoutMs)).ready ? 1 : 0)
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json; charset=utf-8', `${JSON.stringify(body)}\n`)
}

function send(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}

async function listen(server: Server, { host, port, portVariable = 'OPS_PORT' }: OpsServerOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new Error(listenProblem(error, host, port, portVariable), { cause: error }))
    })
    server.listen({ host, port, exclusive: true }, resolve)
  })
}

/** The message for an error of `listen`: the port, the variable, and what to do. */
export function listenProblem(error: NodeJS.ErrnoException, host: string, port: number, variable: string): string {
  const where = `port ${port} on ${host}`
  switch (error.code ?? '') {
    case 'EADDRINUSE':
      return `${variable}: ${where} is in use by another process; set ${variable} to a free port, or to 0 for any`
    case 'EACCES':
      return `${variable}: no permission to listen on ${where}; set ${variable} to a port above 1023`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${variable}: this machine has no address ${host}; set WNS_FANOUT_HOST to another, for example 127.0.0.1`
    default:
      return `${variable}: cannot listen on ${where}: ${error.message}`
  }
}

function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), STOP_GRACE_MS)
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
    server.closeIdleConnections()
  })
}
