import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Agent, request as httpRequest } from 'node:http'
import type { Readable } from 'node:stream'
import { createLogger } from '@wns-fanout/runtime'
import type { ApiVerb } from '@wns-fanout/domain'
import { closeRedis, connectRedis, Keyring, Keys } from '@wns-fanout/state'
import type { TokenAnswer } from '@wns-fanout/domain'
import { keysWith, removeKeysWith } from '@wns-fanout/testing'
import type { Transport } from '@wns-fanout/wns'
import { createTransport } from '@wns-fanout/wns'
import { inject, onTestFinished } from 'vitest'
import type { ApiDeps } from '../src/deps.ts'
import { buildServer } from '../src/server.ts'
import { wire } from '../src/wire.ts'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The text as JSON; null when it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- a test asserts the shape
  readonly json: any
}

export interface Call {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Another key than the one that may do everything; null for none. */
  readonly key?: string | null
}

export type Setup = Awaited<ReturnType<typeof setup>>

/** An app may refer to variables; there are none. */
const secrets = { dir: '/nonexistent', env: {} }

const allVerbs: readonly ApiVerb[] = ['read', 'register', 'send', 'admin']

/** An API on a free port, on the real Redis with a prefix of its own; gone when the test ends. */
export async function setup({
  askToken = async (): Promise<TokenAnswer> => ({ ok: false, permanent: true, code: 'unused', explanation: '' }),
  progress,
  server: limits,
  webhookTransport = createTransport(),
}: {
  readonly askToken?: Parameters<typeof wire>[0]['askToken']
  readonly progress?: ApiDeps['progress']
  /** By default receivers of webhooks must have public addresses. */
  readonly webhookTransport?: Transport
  /** Limits of the server in milliseconds, instead of minutes. */
  readonly server?: Parameters<typeof buildServer>[1]
} = {}) {
  const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)
  const redis = connectRedis(inject('redisUrl'), { role: 'producer' })
  const keyring = Keyring.parse(`k1 ${randomBytes(32).toString('base64')}`)
  const logged: string[] = []
  const logger = createLogger({
    name: 'api',
    level: 'debug',
    destination: { write: (line: string) => void logged.push(line) },
  })
  const audited = { lines: [] as string[], unstored: 0 }
  const audit = {
    limits: { maxEntries: 10_000, maxDays: 1 },
    isShipped: true,
    write: (line: string) => void audited.lines.push(line),
    onUnstored: () => void (audited.unstored += 1),
  }
  const { deps, close } = wire({ redis, keys, keyring, logger, secrets, askToken, webhookTransport, audit })
  const server = await buildServer({ ...deps, ...(progress === undefined ? {} : { progress }) }, limits)
  const url = await server.listen({ host: '127.0.0.1', port: 0 })
  const agent = new Agent({ keepAlive: false })

  const keyFor = async (apps: readonly string[], verbs: readonly ApiVerb[], expiresAt?: string): Promise<string> => {
    const { key } = await deps.apiKeys.create({ name: 'test', apps, verbs, expiresAt })
    return key
  }
  const admin = await keyFor(['*'], allVerbs)

  const call = (method: string, path: string, { body, headers = {}, key = admin }: Call = {}): Promise<Answer> =>
    send(agent, url, method, path, {
      body,
      headers: { ...(key === null ? {} : { authorization: `Bearer ${key}` }), ...headers },
    })

  onTestFinished(async () => {
    await server.close()
    await close()
    agent.destroy()
    await removeKeysWith(redis, keys.prefix)
    await closeRedis(redis)
  })

  return {
    url,
    deps,
    redis,
    keys,
    server,
    logged,
    /** The lines of the audit log for shippers, and how many entries were not stored. */
    audited,
    admin,
    keyFor,
    call,
    /** Makes an app with this many channels `c0`, `c1`, … */
    withApp: async (app = 'news', channels = 0): Promise<void> => {
      const made = await call('PUT', `/v1/apps/${app}`, { body: storeApp })
      if (made.status !== 201) throw new Error(made.text)
      const lines = Array.from(
        { length: channels },
        (_, n) => `${JSON.stringify({ channel: `c${n}`, uri: uriOf(n) })}\n`,
      )
      if (channels === 0) return
      const imported = await call('POST', `/v1/apps/${app}/channels:import`, { headers: ndjson, body: lines.join('') })
      if (imported.json?.created !== channels) throw new Error(imported.text)
    },
    /** Every key of this test with what it holds. */
    dump: async (): Promise<Record<string, string>> => {
      const found: Record<string, string> = {}
      for (const name of await keysWith(redis, keys.prefix)) {
        const bytes = await redis.dumpBuffer(name)
        found[name] = bytes === null ? '' : bytes.toString('base64')
      }
      return found
    },
  }
}

function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && 'pipe' in body
}

function send(
  agent: Agent,
  url: string,
  method: string,
  path: string,
  { body, headers }: { readonly body: unknown; readonly headers: Readonly<Record<string, string>> },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const isJson = body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body) && !isStream(body)
    const content = isJson ? JSON.stringify(body) : body
    const request = httpRequest(`${url}${path}`, {
      agent,
      method,
      timeout: 30_000,
      headers: { ...(isJson ? { 'content-type': 'application/json' } : {}), ...headers },
    })
    let answered = false
    request.on('timeout', () => request.destroy(new Error('no answer within 30 s')))
    // A server that refuses an upload early may close before all of it is written.
    request.on('error', (error) => (answered ? undefined : reject(error)))
    request.on('response', (response) => {
      answered = true
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8')
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: jsonOf(text) })
      })
    })
    if (isStream(content)) content.pipe(request)
    else if (typeof content === 'string' || Buffer.isBuffer(content)) request.end(content)
    else request.end()
  })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export const ndjson = { 'content-type': 'application/x-ndjson' }
export const csv = { 'content-type': 'text/csv' }

export const storeApp = {
  credentials: { kind: 'store', packageSid: 'S-1-15-2-1-2', clientSecret: 'canary-secret' },
}

export function uriOf(n: number | string): string {
  return `https://db5p.notify.windows.com/?token=ok.any.${n}`
}

export const rawCampaign = { audience: { all: true }, notification: { type: 'raw', text: 'sync' } }
