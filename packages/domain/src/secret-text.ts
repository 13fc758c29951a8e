import { BYTES_OF_UTF16 } from './upload/hints.ts'

export type ParsedSecret =
  | { readonly ok: true; readonly secret: string }
  | { readonly ok: false; readonly detail: string }

/** Longest client secret or API key, in characters; those of Microsoft have 32 to 64. */
export const MAX_SECRET_LENGTH = 1024

/**
 * A secret as a request, a variable or a file holds it: the one rule for all of them. A byte order mark, blanks and
 * line ends around it are dropped. The rest must be what RFC 6749 appendix A allows: ASCII from space to `~`.
 * The detail never repeats the text.
 */
export function parseSecret(text: string): ParsedSecret {
  // `trim` drops a byte order mark too.
  const secret = text.trim()
  const found = whyNoSecret(secret)
  return found === undefined
    ? { ok: true, secret }
    : { ok: false, detail: `a secret must be 1 to ${MAX_SECRET_LENGTH} visible ASCII characters; found ${found}` }
}

function whyNoSecret(secret: string): string | undefined {
  if (secret === '') return 'nothing'
  if (/[\0\uFFFD]/.test(secret)) return `bytes that are not text; ${BYTES_OF_UTF16}`
  if (/[\r\n]/.test(secret)) return 'several lines; keep only the secret'
  if (!/^[\x20-\x7E]+$/.test(secret)) return 'another character; copy the secret again'
  if (secret.length > MAX_SECRET_LENGTH) return `${secret.length} characters`
  return undefined
}
