import type { IncomingMessage } from 'node:http'
import { request } from 'node:http'
import { createInterface } from 'node:readline'

// For plain HTTP on this machine: ops ports and the simulator's control port. The API has its own client.

export interface Answer {
  readonly status: number
  readonly text: string
}

const LARGEST_TEXT_BYTES = 16_000_000

/** The whole answer of a small page. Rejects without an answer within `timeoutMs`. */
export async function getText(url: string, timeoutMs = 5000): Promise<Answer> {
  const response = await open(url, timeoutMs)
  response.setEncoding('utf8')
  let text = ''
  for await (const chunk of response as AsyncIterable<string>) {
    text += chunk
    if (text.length > LARGEST_TEXT_BYTES) throw new Error(`${url} answers more than ${LARGEST_TEXT_BYTES} bytes`)
  }
  return { status: response.statusCode ?? 0, text }
}

/** The JSON of a small page that must answer 200. */
export async function getJson(url: string, timeoutMs = 5000): Promise<unknown> {
  const { status, text } = await getText(url, timeoutMs)
  if (status !== 200) throw new Error(`${url} answers ${status}`)
  return JSON.parse(text)
}

/** The lines of a page of any length, one by one. `timeoutMs` limits the time without data. */
export async function* getLines(url: string, timeoutMs = 30_000): AsyncGenerator<string> {
  const response = await open(url, timeoutMs)
  if (response.statusCode !== 200) {
    response.resume()
    throw new Error(`${url} answers ${response.statusCode}`)
  }
  for await (const line of createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY }))
    if (line !== '') yield line
}

async function open(url: string, timeoutMs: number): Promise<IncomingMessage> {
  return await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(url, { agent: false, timeout: timeoutMs }, resolve)
    outgoing.once('timeout', () => outgoing.destroy(new Error(`${url} did not answer within ${timeoutMs} ms`)))
    outgoing.once('error', reject)
    outgoing.end()
  })
}
