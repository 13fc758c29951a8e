import type { PreparedMessage, Secret } from '@wns-fanout/domain'

export interface PostHeaderOptions {
  readonly token: Secret | string
  /** Seconds from now until the notification expires, at least 1: 0 conflicts with the cache policy. */
  readonly ttlSeconds?: number | undefined
  /** Correlation vector, at most 127 characters; WNS echoes it. */
  readonly msCv?: string | undefined
  /** Request the state of the device. Overrides the message. */
  readonly requestForStatus?: boolean | undefined
}

/** The part of a prepared message that becomes headers. */
export type HeaderSource = Pick<PreparedMessage, 'type' | 'contentType' | 'headers'>

/** The form of a bearer token; any other text could smuggle a header. */
export const tokenPattern = /^[\x21-\x7e]{1,8192}$/

/**
 * The headers of a post as a flat list of names and values, the same for all posts of an opened batch. The lane adds
 * Host and Content-Length (in bytes). Throws a RangeError that names the header of an unusable value.
 */
export function postHeaders(message: HeaderSource, options: PostHeaderOptions): string[] {
  const token = typeof options.token === 'string' ? options.token : options.token.reveal()
  if (!tokenPattern.test(token)) throw new RangeError('the bearer token is empty, too long or not printable ASCII')
  const list = ['Authorization', `Bearer ${token}`, 'Content-Type', message.contentType]
  const add = (name: string, value: string): void => {
    if (!headerName.test(name) || !headerValue.test(value))
      throw new RangeError(`the header ${JSON.stringify(name.slice(0, 64))} is not an X-WNS header in printable ASCII`)
    list.push(name, value)
  }
  if (!names(message, 'x-wns-type')) add('X-WNS-Type', `wns/${message.type}`)
  for (const [name, value] of Object.entries(message.headers)) {
    const isReplaced =
      (options.ttlSeconds !== undefined && name.toLowerCase() === 'x-wns-ttl') ||
      (options.requestForStatus !== undefined && name.toLowerCase() === 'x-wns-requestforstatus')
    if (!isReplaced) add(name, value)
  }
  if (options.ttlSeconds !== undefined) {
    if (!Number.isSafeInteger(options.ttlSeconds) || options.ttlSeconds < 1)
      throw new RangeError(`ttlSeconds must be an integer of at least 1; found ${options.ttlSeconds}`)
    add('X-WNS-TTL', String(options.ttlSeconds))
  }
  if (options.requestForStatus === true) add('X-WNS-RequestForStatus', 'true')
  if (options.msCv !== undefined) {
    if (!correlationVector.test(options.msCv)) throw new RangeError('msCv is not a correlation vector')
    list.push('MS-CV', options.msCv)
  }
  return list
}

const headerName = /^X-WNS-[A-Za-z-]{1,40}$/i
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/
const correlationVector = /^[A-Za-z0-9+/=.!_-]{1,127}$/

function names(message: HeaderSource, lowerCaseName: string): boolean {
  return Object.keys(message.headers).some((name) => name.toLowerCase() === lowerCaseName)
}
