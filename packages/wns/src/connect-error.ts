/** Why no connection was made, as one stable word. The message never contains a channel or a credential. */
export type ConnectCode =
  | 'refused'
  | 'reset'
  | 'timeout'
  | 'unreachable'
  | 'name-not-found'
  | 'name-lookup'
  | 'no-address'
  | 'private-address'
  | 'certificate'
  | 'tls'
  | 'proxy-refused'
  | 'proxy-protocol'
  | 'no-descriptors'
  | 'stopped'
  | 'connect'

/** Connecting failed, so no byte of a request was written. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly code: ConnectCode

  constructor(code: ConnectCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const byErrno: ReadonlyMap<string, ConnectCode> = new Map<string, ConnectCode>([
  ['ECONNREFUSED', 'refused'],
  ['ECONNRESET', 'reset'],
  ['EPIPE', 'reset'],
  ['ETIMEDOUT', 'timeout'],
  ['EHOSTUNREACH', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'no-descriptors'],
  ['EMFILE', 'no-descriptors'],
  ['ENFILE', 'no-descriptors'],
  ['ENOTFOUND', 'name-not-found'],
  ['ENODATA', 'name-not-found'],
  ['EAI_AGAIN', 'name-lookup'],
  ['ESERVFAIL', 'name-lookup'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate'],
])

// The codes of OpenSSL for certificates have no common prefix.
const certificateErrors =
  /^(CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH|ERROR_IN_CERT)/

/** Any failure of name resolution, TCP, proxy or TLS as a ConnectError. */
export function connectErrorFrom(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error
  // With several addresses for a name, Node reports all attempts in one error; the first is enough.
  const first: unknown = error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
  if (first instanceof ConnectError) return first
  const errno = errnoOf(first)
  return new ConnectError(codeOfErrno(errno), `connecting failed${errno === '' ? '' : ` (${errno})`}`, { cause: error })
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

function codeOfErrno(errno: string): ConnectCode {
  const known = byErrno.get(errno)
  if (known !== undefined) return known
  if (certificateErrors.test(errno)) return 'certificate'
  return errno.startsWith('ERR_SSL') || errno.startsWith('ERR_TLS') || errno === 'EPROTO' ? 'tls' : 'connect'
}
