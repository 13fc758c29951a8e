import { Client } from 'undici'
import { ConnectError } from './connect-error.ts'
import { parseRetryAfter } from './retry-after.ts'
import type { Transport } from './transport.ts'

export interface HttpsPost {
  /** `https`, with a host name. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type HttpsAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly retryAfterMs?: number }
  | {
      readonly kind: 'no-answer'
      /** Stable, for programs: `private-address`, `timeout`, … */
      readonly code: string
      /** For people; contains neither the URL nor anything from the other side. */
      readonly explanation: string
    }

/**
 * Post a text to a URL of a customer over a connection of its own. Never throws and never retries. Redirects are not
 * followed, and the body of the answer is not read.
 *
 * @param deadlineMs for the whole exchange
 */
export async function httpsPost(
  { url, headers, body }: HttpsPost,
  transport: Transport,
  { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<HttpsAnswer> {
  const { hostname, origin, port, pathname, search } = new URL(url)
  const deadline = AbortSignal.timeout(deadlineMs)
  let giveUp: (() => void) | undefined
  const client = new Client(origin, {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: 16_384,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (_options, callback) => {
      giveUp = transport.open(
        hostname,
        (error, socket) => {
          if (socket === null) callback(error ?? new ConnectError('connect', 'no connection'), null)
          else callback(null, socket)
        },
        port === '' ? 443 : Number(port),
      )
    },
  })
  try {
    const answer = await client.request({
      method: 'POST',
      path: `${pathname}${search}`,
      headers,
      body: Buffer.from(body),
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    })
    answer.body.on('error', () => {})
    answer.body.destroy()
    const header = answer.headers['retry-after']
    const retryAfterMs = parseRetryAfter(Array.isArray(header) ? header[0] : header, Date.now())
    return { kind: 'answer', status: answer.statusCode, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
  } catch (error) {
    return noAnswer(error, signal?.aborted === true, deadline.aborted, deadlineMs)
  } finally {
    giveUp?.()
    await client.destroy()
  }
}

function noAnswer(error: unknown, isStopped: boolean, isLate: boolean, deadlineMs: number): HttpsAnswer {
  if (isStopped) return { kind: 'no-answer', code: 'stopped', explanation: 'the process stops' }
  if (isLate) return { kind: 'no-answer', code: 'timeout', explanation: `no answer within ${deadlineMs / 1000} s` }
  if (error instanceof ConnectError) return { kind: 'no-answer', code: error.code, explanation: error.message }
  return { kind: 'no-answer', code: 'broken', explanation: 'the connection broke before there was an answer' }
}
