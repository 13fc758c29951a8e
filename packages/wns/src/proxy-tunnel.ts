import type { Socket } from 'node:net'
import { connect as connectTcp } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ConnectError, connectErrorFrom } from './connect-error.ts'

export interface ProxyTarget {
  readonly host: string
  readonly port: number
  /** TLS to the proxy itself, verified with the system's authorities. */
  readonly secure: boolean
  /** `Basic …`, if the URL named a user. */
  readonly authorization: string | undefined
}

/** Throws a RangeError, without the user and password of the URL, if the text is not a proxy URL. */
export function parseProxy(text: string): ProxyTarget {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '')
    throw new RangeError('HTTPS_PROXY must be http://[user:password@]host:port; the value found is no such URL')
  const secure = url.protocol === 'https:'
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
    secure,
    authorization: url.username === '' && url.password === '' ? undefined : basicAuthorization(url),
  }
}

function basicAuthorization(url: URL): string {
  return `Basic ${Buffer.from(`${unescaped(url.username)}:${unescaped(url.password)}`).toString('base64')}`
}

// A password with an invalid percent escape is used unchanged.
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const MAX_HEAD_BYTES = 16_384
const endOfHead = Buffer.from('\r\n\r\n')

/**
 * Ask a proxy for a tunnel to host:port. `opened` is called once, with a socket on which nothing arrived after the
 * answer of the proxy, or with an error. The returned function cancels the attempt.
 */
export function openTunnel(
  proxy: ProxyTarget,
  host: string,
  port: number,
  opened: (error: ConnectError | null, socket: Socket | null) => void,
): () => void {
  const place = { host: proxy.host, port: proxy.port }
  const socket = proxy.secure
    ? connectTls({ ...place, minVersion: 'TLSv1.2', rejectUnauthorized: true })
    : connectTcp(place)
  let head = Buffer.alloc(0)

  const finish = (error: ConnectError | null): void => {
    socket.off('data', onData).off('error', onError).off('close', onClose)
    if (error === null) {
      socket.pause()
      opened(null, socket)
      return
    }
    socket.on('error', () => {}).destroy()
    opened(error, null)
  }
  const onError = (error: Error): void => finish(connectErrorFrom(error))
  const onClose = (): void => finish(new ConnectError('proxy-protocol', 'the proxy closed the connection'))
  const onData = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf(endOfHead)
    if (end === -1) {
      if (head.length > MAX_HEAD_BYTES)
        finish(
          new ConnectError('proxy-protocol', `the proxy answered with more than ${MAX_HEAD_BYTES} bytes of headers`),
        )
      return
    }
    // In TLS the client writes first, so bytes after the head are not from the server.
    const isSilent = end + endOfHead.length === head.length
    finish(
      isSilent ? refusalIn(head) : new ConnectError('proxy-protocol', 'the proxy sent data before the tunnel was used'),
    )
  }

  socket.setNoDelay(true).setKeepAlive(true, 60_000)
  socket.on('data', onData).on('error', onError).on('close', onClose)
  socket.once(proxy.secure ? 'secureConnect' : 'connect', () => socket.write(connectRequest(proxy, host, port)))
  return () => void socket.on('error', () => {}).destroy()
}

function connectRequest(proxy: ProxyTarget, host: string, port: number): string {
  const authorization = proxy.authorization === undefined ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`
  return `CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n${authorization}\r\n`
}

function refusalIn(head: Buffer): ConnectError | null {
  const status = /^HTTP\/1\.[01] (\d{3})(?: |\r)/.exec(head.toString('latin1', 0, 64))?.[1]
  if (status === undefined) return new ConnectError('proxy-protocol', 'the proxy did not answer in HTTP/1.1')
  if (status.startsWith('2')) return null
  const hint = status === '407' ? '; put user and password into HTTPS_PROXY' : ''
  return new ConnectError('proxy-refused', `the proxy refused the tunnel with status ${status}${hint}`)
}
