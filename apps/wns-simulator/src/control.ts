import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import type { Clients } from './clients.ts'
import type { Clock } from './clock.ts'
import { evidence } from './evidence.ts'
import { parseFaults } from './faults.ts'
import type { Devices } from './devices.ts'
import type { OfflineCache } from './offline-cache.ts'
import type { Tally } from './tally.ts'
import type { Tokens } from './tokens.ts'

const MAX_BODY_BYTES = 1_048_576
const LINES_PER_CHUNK = 512

interface Answer {
  readonly status: number
  readonly body: object
}

type Endpoint = (request: IncomingMessage, response: ServerResponse) => Promise<Answer | undefined> | Answer

/** The control port for tests: plain HTTP with JSON. The returned server does not listen yet. */
export function createControl(
  clients: Clients,
  tokens: Tokens,
  tally: Tally,
  { offline, devices }: { readonly offline: OfflineCache; readonly devices: Devices },
  clock: Clock,
): Server {
  const endpoints: Readonly<Record<string, Readonly<Record<string, Endpoint>>>> = {
    '/healthz': { GET: () => ({ status: 200, body: { ok: true } }) },
    '/v1/faults': {
      GET: () => ({ status: 200, body: clients.faults }),
      PUT: async (request) => {
        const parsed = parseFaults(await readJson(request))
        if ('problems' in parsed) return { status: 400, body: { error: 'invalid-faults', problems: parsed.problems } }
        clients.faults = parsed.faults
        return { status: 200, body: clients.faults }
      },
    },
    '/v1/tokens/revoke': {
      POST: async (request) => {
        const body = await readJson(request)
        const found = body === undefined ? {} : revocation(body)
        if (found === undefined) return { status: 400, body: problem('', 'expected {} or {"client": "<client id>"}') }
        const client = found.client === undefined ? undefined : clients.named(found.client)
        return { status: 200, body: { revoked: tokens.revoke(client, clock.nowMs()) } }
      },
    },
    '/v1/reset': {
      POST: () => {
        clients.faults = {}
        tally.reset()
        offline.clear()
        devices.clear()
        return { status: 200, body: { ok: true } }
      },
    },
    '/v1/offline': {
      GET: (request) => {
        const token = new URL(request.url ?? '', 'http://control').searchParams.get('token')
        if (token === null) return { status: 400, body: problem('', 'expected ?token=<channel token>') }
        return { status: 200, body: { items: offline.look(token, clock.nowMs()) } }
      },
    },
    '/v1/offline/wake': {
      POST: async (request) => {
        const token = tokenIn(await readJson(request))
        if (token === undefined) return { status: 400, body: problem('', 'expected {"token": "<channel token>"}') }
        return { status: 200, body: { delivered: offline.deliver(token, clock.nowMs()) } }
      },
    },
    '/v1/devices': {
      PUT: async (request) => {
        const body = await readJson(request)
        const token = tokenIn(body)
        const word = behaviorIn(body)
        if (token === undefined || word === undefined || !devices.set(token, word))
          return {
            status: 400,
            body: problem('', 'expected {"token": "<channel token>", "behavior": "<behavior>" or null}'),
          }
        return { status: 200, body: { token, behavior: word } }
      },
    },
    '/v1/behaviors': { GET: () => ({ status: 200, body: evidence }) },
    '/v1/stats': { GET: () => ({ status: 200, body: tally.stats() }) },
    '/v1/posts': { GET: (_request, response) => streamPosts(tally, response) },
  }

  return createServer((request, response) => {
    const path = request.url?.split('?', 1)[0] ?? ''
    const methods = Object.hasOwn(endpoints, path) ? endpoints[path] : undefined
    const endpoint = methods?.[request.method ?? '']
    if (methods === undefined) return send(response, 404, { error: 'not-found', known: Object.keys(endpoints) })
    if (endpoint === undefined) {
      response.setHeader('Allow', Object.keys(methods).join(', '))
      return send(response, 405, { error: 'method-not-allowed', allowed: Object.keys(methods) })
    }
    void (async () => {
      try {
        const answer = await endpoint(request, response)
        if (answer !== undefined) send(response, answer.status, answer.body)
      } catch (error) {
        if (error instanceof BadBody) send(response, error.status, problem('', error.message))
        else response.destroy()
      }
    })()
  })
}

class BadBody extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The parsed body, undefined when there is none. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > MAX_BODY_BYTES) throw new BadBody(413, `the body must have at most ${MAX_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString('utf8').trim()
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch {
    throw new BadBody(400, 'the body must be JSON')
  }
}

function revocation(body: unknown): { client?: string } | undefined {
  if (typeof body !== 'object' || body === null || Object.keys(body).some((key) => key !== 'client')) return undefined
  const client: unknown = 'client' in body ? body.client : undefined
  if (client === undefined) return {}
  return typeof client === 'string' ? { client } : undefined
}

function tokenIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('token' in body)) return undefined
  return typeof body.token === 'string' ? body.token : undefined
}

function behaviorIn(body: unknown): string | null | undefined {
  if (typeof body !== 'object' || body === null || !('behavior' in body)) return undefined
  return typeof body.behavior === 'string' || body.behavior === null ? body.behavior : undefined
}

/** One line per channel, with back-pressure. */
async function streamPosts(tally: Tally, response: ServerResponse): Promise<undefined> {
  response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
  await pipeline(Readable.from(lines(tally)), response)
}

async function* lines(tally: Tally): AsyncGenerator<string> {
  const { book } = tally
  for (let row = 0; row < book.size;) {
    const end = Math.min(book.size, row + LINES_PER_CHUNK)
    let text = ''
    for (; row < end; row += 1) text += `${tally.line(row)}\n`
    yield text
    // Millions of channels take seconds; senders get answers in between.
    await setImmediate()
  }
}

function problem(pointer: string, detail: string): object {
  return { error: 'invalid-body', problems: [{ pointer, detail }] }
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(`${JSON.stringify(body)}\n`)
}
