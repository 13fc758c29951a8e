export type WnsStatus = 'received' | 'dropped' | 'channelthrottled' | 'appthrottled' | 'revoked'

/** The action on the connection: answer, or fail in one of five ways. */
export type Act = 'answer' | 'drip' | 'reset' | 'cut' | 'hangup' | 'stall'

/** One answer, precomputed as far as it is the same for all posts. */
export interface Reply {
  readonly act: Act
  /** 0 when no complete status line is sent. */
  readonly status: number
  readonly wnsStatus: WnsStatus | null
  readonly accepted: boolean
  /** The name under which `/v1/stats` counts channels with this last answer. */
  readonly outcome: string
  readonly connected: boolean
  /** Status line and the headers that the `bare` fault keeps. */
  readonly head: string
  /** The X-WNS headers. */
  readonly wnsHead: string
}

export interface ReplyOptions {
  readonly act?: Act
  readonly outcome?: string
  readonly device?: 'connected' | 'disconnected'
  readonly description?: string
  /** Seconds or an HTTP date. */
  readonly retryAfter?: string
  /** The value of WWW-Authenticate. */
  readonly authenticate?: string
}

const statusReasons: Readonly<Record<number, string>> = {
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  408: 'Request Timeout',
  410: 'Gone',
  411: 'Length Required',
  413: 'Payload Too Large',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

export function reply(status: number, wnsStatus: WnsStatus | null, options: ReplyOptions = {}): Reply {
  return {
    act: options.act ?? 'answer',
    status,
    wnsStatus,
    accepted: status === 200 && wnsStatus === 'received',
    outcome: options.outcome ?? (status === 200 && wnsStatus !== null ? wnsStatus : String(status)),
    connected: options.device !== 'disconnected',
    head:
      `${statusLine(status)}Content-Length: 0\r\n` +
      header('Retry-After', options.retryAfter) +
      header('WWW-Authenticate', options.authenticate),
    wnsHead:
      header('X-WNS-STATUS', wnsStatus) +
      header('X-WNS-NOTIFICATIONSTATUS', wnsStatus) +
      header('X-WNS-ERROR-DESCRIPTION', options.description) +
      'X-WNS-DEBUG-TRACE: SIM0WNS0000001\r\n',
  }
}

export function statusLine(status: number): string {
  return `HTTP/1.1 ${status} ${statusReasons[status] ?? 'Status'}\r\n`
}

function header(name: string, value: string | null | undefined): string {
  return value === undefined || value === null ? '' : `${name}: ${value}\r\n`
}
