import { type Act, statusLine } from './reply.ts'

/** The reaction of a connection to a request. */
export interface Action {
  readonly act: Act
  /** The whole response, head and body; '' for no answer. */
  readonly text: string
  /** Delay before the first byte. */
  readonly delayMs: number
  /** Duration over which the bytes of a `drip` are spread. */
  readonly overMs: number
  readonly close: boolean
}

/** The request is never answered. */
export const hold: Action = { act: 'stall', text: '', delayMs: 0, overMs: 0, close: false }

/** A response without body to a request that is no post: wrong host, method or length. */
export function plainAction(status: number, dateLine: string, headers = '', close = false): Action {
  const text = `${statusLine(status)}Content-Length: 0\r\n${headers}${close ? 'Connection: close\r\n' : ''}${dateLine}\r\n`
  return { act: 'answer', text, delayMs: 0, overMs: 0, close }
}

/** A JSON response of a token service. */
export function answerJson(status: number, body: object, dateLine: string, delayMs: number): Action {
  const json = JSON.stringify(body)
  const text =
    `${statusLine(status)}Content-Type: application/json; charset=utf-8\r\n` +
    'Cache-Control: no-store\r\nPragma: no-cache\r\n' +
    `Content-Length: ${Buffer.byteLength(json)}\r\n${dateLine}\r\n${json}`
  return { act: 'answer', text, delayMs, overMs: 0, close: false }
}
