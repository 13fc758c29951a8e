import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable } from 'node:stream'
import { bypassesProxy } from '@wns-fanout/domain'
import type { Dispatcher } from 'undici'
import { Agent, ProxyAgent } from 'undici'
import { ApiUnreachableError, errorOf } from './api-error.ts'

export interface HttpOptions {
  /** Address of the API, for example `http://127.0.0.1:8080`, with `/v1` or without. A path before it is kept. */
  readonly url: string
  readonly apiKey: string
  /** Time limit of a request without a stream, in milliseconds; default 30000. */
  readonly timeoutMs?: number
  /** Maximum retries of a request that was not carried out (429, 503, no connection); default 3. */
  readonly retries?: number
  /** Longest accepted `Retry-After`, in milliseconds; a longer one is thrown. Default 30000. */
  readonly maxRetryWaitMs?: number
  /** For `https:`: PEM of a certificate authority to trust instead of the system's. */
  readonly ca?: string
  /** For `https:`: proxy to connect through, for example `http://proxy.example:3128`; `http:` is always direct. */
  readonly httpsProxy?: string | undefined
  /** Hosts that are reached without the proxy, in the grammar of `NO_PROXY`. */
  readonly noProxy?: string | undefined
}

export interface HttpRequest {
  readonly method: 'GET' | 'PUT' | 'PATCH' | 'POST' | 'DELETE'
  /** Below `/v1`, already encoded. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** A text can be retried, a stream cannot. */
  readonly body?: { readonly type: string; readonly content: string | Readable }
  readonly signal?: AbortSignal | undefined
  /** Whether the request is safe to retry after it was carried out; default true for all methods but POST. */
  readonly repeatable?: boolean
  /** Longest time without data of a streamed answer, in milliseconds; such answers have no other limit. */
  readonly silenceMs?: number
}

export type HttpAnswer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>

// Limit of an error body; a longer one is not from the API.
const MAX_PROBLEM_BYTES = 4 * 1024 * 1024
const UPLOAD_SILENCE_MS = 120_000

/** Requests to one API: authorized, with time limits, retried where that is safe. */
export class Http {
  readonly url: string
  readonly #origin: string
  readonly #basePath: string
  readonly #apiKey: string
  readonly #timeoutMs: number
  readonly #retries: number
  readonly #maxRetryWaitMs: number
  readonly #agent: Dispatcher

  /** Throws a TypeError for a URL of the API or the proxy that is not `http:` or `https:`. */
  constructor(options: HttpOptions) {
    const { url, apiKey, timeoutMs = 30_000, retries = 3, maxRetryWaitMs = 30_000 } = options
    const parsed = URL.parse(url)
    if (parsed === null || !/^https?:$/.test(parsed.protocol))
      throw new TypeError(`the URL of the API must be like http://127.0.0.1:8080; found ${JSON.stringify(url)}`)
    // The version is part of every path, and addresses of the API are often written with it.
    const basePath = parsed.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
    this.url = `${parsed.origin}${basePath}`
    this.#origin = parsed.origin
    this.#basePath = basePath
    this.#apiKey = apiKey
    this.#timeoutMs = timeoutMs
    this.#retries = retries
    this.#maxRetryWaitMs = maxRetryWaitMs
    this.#agent = agentOf(parsed, options)
  }

  /**
   * A successful answer, whose body must be read or destroyed. Throws {@link ApiError} or {@link ApiUnreachableError}.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    for (let attempt = 0; ; attempt += 1) {
      const mayRepeat = attempt < this.#retries && typeof (request.body?.content ?? '') === 'string'
      const result = await this.#try(request)
      if (result.ok) return result.answer
      const waitMs = mayRepeat ? result.repeatAfterMs(attempt) : null
      if (waitMs === null || waitMs > this.#maxRetryWaitMs) throw result.error
      await sleep(waitMs, undefined, request.signal === undefined ? {} : { signal: request.signal })
    }
  }

  /** The JSON of the answer; undefined without content. */
  async json<T>(request: HttpRequest): Promise<T> {
    const { statusCode, body } = await this.send(request)
    const text = await this.#reading(body.text())
    return (statusCode === 204 || text === '' ? undefined : JSON.parse(text)) as T
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #try(request: HttpRequest): Promise<Tried> {
    const { method, path, query = {}, headers = {}, body, signal, silenceMs } = request
    const isUpload = typeof body?.content === 'object'
    const isStream = silenceMs !== undefined || isUpload
    const timeout = isStream ? undefined : AbortSignal.timeout(this.#timeoutMs)
    const signals = [signal, timeout].filter((one) => one !== undefined)
    try {
      const answer = await this.#agent.request({
        origin: this.#origin,
        path: `${this.#basePath}/v1${path}${queryOf(query)}`,
        method,
        headers: {
          authorization: `Bearer ${this.#apiKey}`,
          ...(body === undefined ? {} : { 'content-type': body.type }),
          ...headers,
        },
        headersTimeout: isUpload ? UPLOAD_SILENCE_MS : this.#timeoutMs,
        bodyTimeout: silenceMs ?? this.#timeoutMs,
        ...(body === undefined ? {} : { body: body.content }),
        ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
      })
      if (answer.statusCode < 300) return { ok: true, answer }
      const error = errorOf(answer.statusCode, answer.headers, await textOf(answer.body))
      const isNotDone = answer.statusCode === 429 || answer.statusCode === 503
      return {
        ok: false,
        error,
        repeatAfterMs: (attempt) =>
          isNotDone
            ? error.retryAfterSeconds === undefined
              ? backoffMs(attempt)
              : error.retryAfterSeconds * 1000
            : null,
      }
    } catch (error) {
      if (signal?.aborted === true) throw error
      const repeatable = request.repeatable ?? method !== 'POST'
      const refused = codeOf(error) === 'ECONNREFUSED' || codeOf(error) === 'UND_ERR_CONNECT_TIMEOUT'
      const late = timeout?.aborted === true
      return {
        ok: false,
        error: new ApiUnreachableError(this.url, late ? `timeout after ${this.#timeoutMs} ms` : reasonOf(error), error),
        repeatAfterMs: (attempt) => (!late && (refused || repeatable) ? backoffMs(attempt) : null),
      }
    }
  }

  async #reading<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw new ApiUnreachableError(this.url, `the answer broke off: ${reasonOf(error)}`, error)
    }
  }
}

function agentOf(api: URL, { ca, httpsProxy, noProxy }: HttpOptions): Dispatcher {
  const limits = { allowH2: false, connections: 64, connectTimeout: 5000, keepAliveTimeout: 10_000 }
  const port = api.port === '' ? 443 : Number(api.port)
  if (api.protocol !== 'https:' || httpsProxy === undefined || bypassesProxy(noProxy, api.hostname, port))
    return new Agent({ ...limits, ...(ca === undefined ? {} : { connect: { ca } }) })
  if (!/^https?:$/.test(URL.parse(httpsProxy)?.protocol ?? ''))
    throw new TypeError('HTTPS_PROXY must be a URL such as http://proxy.example:3128, with http:// or https://')
  return new ProxyAgent({ ...limits, uri: httpsProxy, ...(ca === undefined ? {} : { requestTls: { ca } }) })
}

type Tried =
  | { readonly ok: true; readonly answer: HttpAnswer }
  | { readonly ok: false; readonly error: Error; readonly repeatAfterMs: (attempt: number) => number | null }

/** 200, 400, 800 ms with some jitter. */
function backoffMs(attempt: number): number {
  return 200 * 2 ** attempt * (0.75 + Math.random() / 2)
}

function queryOf(query: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  )
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`
}

async function textOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  let text = ''
  body.setEncoding('utf8')
  for await (const piece of body as AsyncIterable<string>) {
    text += piece
    if (text.length > MAX_PROBLEM_BYTES) break
  }
  return text
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if ('code' in error && typeof error.code === 'string') return error.code
  return error instanceof AggregateError ? codeOf(error.errors[0]) : undefined
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no process listens there; is it running?',
  ENOTFOUND: 'the host name does not exist',
  ECONNRESET: 'the connection was reset',
  UND_ERR_SOCKET: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'no connection within 5 s',
  UND_ERR_HEADERS_TIMEOUT: 'the answer timed out',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped before its end',
}

function reasonOf(error: unknown): string {
  const code = codeOf(error)
  const known = code === undefined ? undefined : reasons[code]
  return known ?? code ?? (error instanceof Error ? error.name : 'unknown')
}
