import { type Act, statusLine } from './reply.ts'

/** What a connection does about a request it has read. */
export interface Action {
  readonly act: Act
  /** The whole response, head and body; '' where nothing is answered. */
  readonly text: string
  /** How long to wait before the first byte. */
  readonly delayMs: number
  /** Over how long the bytes of a `drip` are spread. */
  readonly overMs: number
  readonly close: boolean
}

/** The request is never answered. */
export const hold: Action = { act: 'stall', text: '', delayMs: 0, overMs: 0, close: false }

/** A response without body that is no answer to a post: wrong host, method, length. */
export function plainAction(status: number, dateLine: string, headers = '', close = false): Action {
  const text = `${statusLine(status)}Content-Length: 0\r\n${headers}${close ? 'Connection: close\r\n' : ''}${dateLine}\r\n`
  return { act: 'answer', text, delayMs: 0, overMs: 0, close }
}

/** A JSON response of a token service. */
export function answerJson(status: number, body: object, dateLine: string, delayMs: number): Action {
  const json = JSON.stringify(body)
  const text =
    `${statusLine(status)}Content-Type: application/json; charset=utf-8\r\nCache-Control: no-store\r\nPragma: no-cache\r\n` +
    `Content-Length: ${Buffer.byteLength(json)}\r\n${dateLine}\r\n${json}`
  return { act: 'answer', text, delayMs, overMs: 0, close: false }
}
