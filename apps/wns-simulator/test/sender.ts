import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { until } from '@wns-fanout/testing'
import { onTestFinished } from 'vitest'
import { type Simulator, startSimulator } from '../src/index.ts'

export const SID = 'S-1-15-2-1111-2222-3333'
export const OTHER_SID = 'S-1-15-2-9999-8888-7777'
export const ENTRA_ID = '0d2b6c1e-8b4c-4a55-9b53-5d3f2a7c1f10'
export const HOST = 'db5.notify.windows.com'

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A line of `GET /v1/posts`. */
export interface PostLine {
  readonly client: string | null
  readonly token: string
  readonly posts: number
  readonly accepted: number
  readonly lastStatus: number | null
  readonly lastWnsStatus: string | null
  readonly unanswered: number
  readonly lastOutcome: string
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly minAcceptedGapMs: number | null
}

export interface PostOptions {
  readonly bearer?: string
  readonly host?: string
  readonly method?: string
  readonly body?: string | Uint8Array
  /** A header set to undefined is left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

/** A fresh simulator and a sender that trusts it; both are gone when the test ends. */
export async function setup(): Promise<Sender> {
  const folder = await mkdtemp(join(tmpdir(), 'wns-simulator-'))
  const simulator = await startSimulator({ caFile: join(folder, 'ca.pem') })
  const sender = new Sender(simulator, await readFile(simulator.caFile, 'utf8'))
  onTestFinished(async () => {
    sender.close()
    await simulator.stop()
    await rm(folder, { recursive: true })
  })
  return sender
}

export class Sender {
  readonly simulator: Simulator
  readonly #ca: string
  readonly #agent: Agent

  constructor(simulator: Simulator, ca: string) {
    this.simulator = simulator
    this.#ca = ca
    this.#agent = new Agent({ keepAlive: true, maxSockets: 8 })
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Posts a toast to a channel given by its token. */
  async post(channel: string, options: PostOptions = {}): Promise<Answer> {
    const { bearer = await this.bearer(), host = HOST, method = 'POST', body = '<toast/>' } = options
    const headers = {
      Authorization: `Bearer ${bearer}`,
      'Content-Type': 'text/xml',
      'Content-Length': String(Buffer.byteLength(body)),
      'X-WNS-Type': 'wns/toast',
      ...options.headers,
    }
    return this.#request(host, method, `/?token=${channel}`, headers, body)
  }

  #bearer: Promise<string> | undefined

  /** The token of `SID`, asked for once. */
  async bearer(): Promise<string> {
    this.#bearer ??= this.legacyToken().then((answer) => String(JSON.parse(answer.text).access_token))
    return this.#bearer
  }

  async legacyToken(form: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.form('login.live.com', '/accesstoken.srf', {
      grant_type: 'client_credentials',
      client_id: `ms-app://${SID}`,
      client_secret: 'secret',
      scope: 'notify.windows.com',
      ...form,
    })
  }

  async entraToken(form: Readonly<Record<string, string>> = {}, tenant = 'contoso.example'): Promise<Answer> {
    return this.form('login.microsoftonline.com', `/${tenant}/oauth2/v2.0/token`, {
      grant_type: 'client_credentials',
      client_id: ENTRA_ID,
      client_secret: 'secret',
      scope: 'https://wns.windows.com/.default',
      ...form,
    })
  }

  async form(host: string, path: string, fields: Readonly<Record<string, string>>): Promise<Answer> {
    const body = new URLSearchParams(fields).toString()
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': String(body.length) }
    return this.#request(host, 'POST', path, headers, body)
  }

  async control(method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${this.simulator.control}${path}`, { method, agent: false }, (response) => {
        collect(response).then(resolve, reject)
      })
      request.on('error', reject)
      request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
    })
  }

  async faults(document: object): Promise<void> {
    const answer = await this.control('PUT', '/v1/faults', document)
    if (answer.status !== 200) throw new Error(answer.text)
  }

  async stats(): Promise<Record<string, unknown>> {
    return JSON.parse((await this.control('GET', '/v1/stats')).text)
  }

  async posts(): Promise<PostLine[]> {
    const { text } = await this.control('GET', '/v1/posts')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  /** A bare TLS connection, for what a well-behaved client never does. */
  async wire(host = HOST, alpn: string[] = ['http/1.1']): Promise<Wire> {
    const { host: address, port } = this.simulator
    const socket = connect({ host: address, port, servername: host, ca: this.#ca, ALPNProtocols: alpn })
    onTestFinished(() => void socket.destroy())
    const wire = new Wire(socket)
    await new Promise<void>((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    return wire
  }

  async #request(
    host: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string | undefined>>,
    body: string | Uint8Array,
  ): Promise<Answer> {
    const { host: address, port } = this.simulator
    const sent = Object.fromEntries(
      Object.entries({ Host: host, ...headers }).filter(([, value]) => value !== undefined),
    )
    return new Promise((resolve, reject) => {
      const options = { host: address, port, servername: host, ca: this.#ca, agent: this.#agent, method, path }
      const request = httpsRequest({ ...options, headers: sent as Record<string, string> }, (response) => {
        collect(response).then(resolve, reject)
      })
      request.on('error', reject)
      request.end(body)
    })
  }
}

/** One TLS connection with all that came back and how it ended. */
export class Wire {
  readonly socket: TLSSocket
  received = ''
  error: string | undefined
  closed = false
  #changed: (() => void) | undefined

  constructor(socket: TLSSocket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.received += text
      this.#changed?.()
    })
    socket.on('error', (error: Error & { code?: string }) => {
      this.error = error.code ?? error.message
    })
    socket.on('close', () => {
      this.closed = true
      this.#changed?.()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until something is true of what came back. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) {
      if (this.closed) throw new Error(`the connection was closed after ${JSON.stringify(this.received)}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.closed) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  /** How many answers came back whole; they have no body. */
  answers(): number {
    return this.received.split('\r\n\r\n').length - 1
  }

  statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
  }
}

/** The text of a post, as written on the wire. */
export function postText(
  channel: string,
  bearer: string,
  headers: Readonly<Record<string, string>> = {},
  body = '<toast/>',
): string {
  const fields = {
    Host: HOST,
    Authorization: `Bearer ${bearer}`,
    'Content-Type': 'text/xml',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-WNS-Type': 'wns/toast',
    ...headers,
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST /?token=${channel} HTTP/1.1\r\n${lines.join('')}\r\n${body}`
}

/** Asks until the answer is right, and returns it. */
export async function untilRight<T>(ask: () => Promise<T>, isRight: (found: T) => boolean): Promise<T> {
  const right = await until(`an answer for which ${isRight.toString()}`, async () => {
    const found = await ask()
    return isRight(found) ? { found } : undefined
  })
  return right.found
}

async function collect(response: IncomingMessage): Promise<Answer> {
  let text = ''
  response.setEncoding('utf8')
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, text }
}
