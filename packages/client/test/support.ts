import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { ClientOptions } from '../src/index.ts'
import { createClient } from '../src/index.ts'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export type Reply = (response: ServerResponse, seen: Seen) => void

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

/** A server that gives these answers one after another (the last again and again), and a client of it. */
export async function serve(replies: readonly Reply[], options: Partial<ClientOptions> = {}) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => (body += piece))
    request.on('error', () => {})
    request.on('end', () => {
      const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body }
      seen.push(one)
      const reply = replies[Math.min(seen.length, replies.length) - 1]
      if (reply === undefined) response.destroy()
      else reply(response, one)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const client = createClient({ url, apiKey: 'wnsf_test', ...options })
  onTestFinished(async () => {
    await client.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { client, seen, url, server }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a test asserts what it expects
export async function failureOf(work: Promise<unknown>): Promise<any> {
  return await work.then(
    () => {
      throw new Error('this was expected to fail')
    },
    (error: unknown) => error,
  )
}
