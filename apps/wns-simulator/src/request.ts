/** The relevant parts of an HTTP/1.1 request; an absent header is ''. */
export class Request {
  method = ''
  target = ''
  /** Lower case, without port. */
  host = ''
  authorization = ''
  contentType = ''
  /** -1 when absent. */
  contentLength = -1
  chunked = false
  expectsContinue = false
  wantsClose = false
  wnsType = ''
  cachePolicy = ''
  requestForStatus = ''
  ttl = ''
  tag = ''
  group = ''
  priority = ''
  suppressPopup = ''
  msCv = ''
  /** The first header that is repeated and must not be, or ''. */
  repeated = ''
  body: Buffer = emptyBuffer
}

const emptyBuffer = Buffer.alloc(0)
const LONGEST_LENGTH_DIGITS = 10

/**
 * Reads a request head: everything before the empty line, as a Latin-1 string.
 * Returns the problem as a string when it is not HTTP/1.1.
 */
export function parseHead(head: string): Request | string {
  const lineEnd = endOfLine(head, 0)
  const methodEnd = head.indexOf(' ')
  const targetEnd = head.indexOf(' ', methodEnd + 1)
  if (methodEnd <= 0 || targetEnd < 0 || targetEnd > lineEnd) return 'malformed request line'
  const version = head.slice(targetEnd + 1, lineEnd)
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') return 'not HTTP/1.1'

  const request = new Request()
  request.method = head.slice(0, methodEnd)
  request.target = head.slice(methodEnd + 1, targetEnd)
  request.wantsClose = version === 'HTTP/1.0'
  for (let at = lineEnd + 2; at < head.length;) {
    const end = endOfLine(head, at)
    const colon = head.indexOf(':', at)
    if (colon <= at || colon > end) return 'malformed header line'
    const problem = setHeader(request, head.slice(at, colon).toLowerCase(), head.slice(colon + 1, end).trim())
    if (problem !== '') return problem
    at = end + 2
  }
  return request
}

function endOfLine(head: string, from: number): number {
  const end = head.indexOf('\r\n', from)
  return end < 0 ? head.length : end
}

function setHeader(request: Request, name: string, value: string): string {
  switch (name) {
    case 'host':
      if (request.host !== '') return 'two Host headers'
      request.host = hostName(value)
      break
    case 'content-length':
      if (request.contentLength >= 0) return 'two Content-Length headers'
      if (!/^\d+$/.test(value) || value.length > LONGEST_LENGTH_DIGITS) return 'Content-Length is not a number'
      request.contentLength = Number(value)
      break
    case 'transfer-encoding':
      request.chunked = true
      break
    case 'expect':
      request.expectsContinue = value.toLowerCase() === '100-continue'
      break
    case 'connection':
      if (value.toLowerCase() === 'close') request.wantsClose = true
      break
    case 'authorization':
      request.authorization = once(request, request.authorization, name, value)
      break
    case 'content-type':
      request.contentType = once(request, request.contentType, name, value)
      break
    case 'x-wns-type':
      request.wnsType = once(request, request.wnsType, name, value)
      break
    case 'x-wns-cache-policy':
      request.cachePolicy = once(request, request.cachePolicy, name, value)
      break
    case 'x-wns-requestforstatus':
      request.requestForStatus = once(request, request.requestForStatus, name, value)
      break
    case 'x-wns-ttl':
      request.ttl = once(request, request.ttl, name, value)
      break
    case 'x-wns-tag':
      request.tag = once(request, request.tag, name, value)
      break
    case 'x-wns-group':
      request.group = once(request, request.group, name, value)
      break
    case 'x-wns-priority':
      request.priority = once(request, request.priority, name, value)
      break
    case 'x-wns-suppresspopup':
      request.suppressPopup = once(request, request.suppressPopup, name, value)
      break
    case 'ms-cv':
      request.msCv = once(request, request.msCv, name, value)
      break
    default:
  }
  return ''
}

function once(request: Request, before: string, name: string, value: string): string {
  if (before !== '' && request.repeated === '') request.repeated = name
  // An empty header differs from an absent one: it must fail its check.
  return value === '' ? ' ' : value
}

function hostName(value: string): string {
  const colon = value.indexOf(':')
  return (colon < 0 ? value : value.slice(0, colon)).toLowerCase()
}
