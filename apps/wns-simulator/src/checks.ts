import { type Reply, reply } from './reply.ts'
import type { Request } from './request.ts'

/** A header that WNS rejects. Most texts are ours; texts of WNS have `seen`. */
export interface HeaderCheck {
  readonly description: string
  /** The source (in the README) that has seen the text on the wire. */
  readonly seen?: string
  readonly fails: (request: Request, maxTagLength: number) => boolean
}

const wnsTypes = ['wns/toast', 'wns/tile', 'wns/badge', 'wns/raw']
/** As documented; the API of the device accepts 64. */
export const MAX_TAG_LENGTH = 16
const MAX_CV_LENGTH = 127
const MAX_TTL_SECONDS = 2_147_483_647

function absentOr(value: string, pattern: RegExp): boolean {
  return value === '' || pattern.test(value)
}
function isLabel(value: string, maxLength: number): boolean {
  return absentOr(value, /^[A-Za-z0-9]+$/) && value.length <= maxLength
}

/** In order; the first check that fails determines the 400. */
export const headerChecks: readonly HeaderCheck[] = [
  { description: 'A header was sent twice', fails: (request) => request.repeated !== '' },
  { description: 'X-WNS-Type is missing or invalid', fails: (request) => !wnsTypes.includes(request.wnsType) },
  {
    description: 'Content-Type should be application/octet-stream',
    seen: '[O-400]',
    fails: (request) => request.wnsType === 'wns/raw' && !/^application\/octet-stream$/i.test(request.contentType),
  },
  {
    // A widely used library adds a charset; no rejection is known.
    description: 'Content-Type should be text/xml',
    fails: (request) =>
      request.wnsType !== 'wns/raw' && !/^text\/xml(?:\s*;\s*charset="?utf-8"?)?$/i.test(request.contentType),
  },
  {
    description: 'X-WNS-Cache-Policy should be cache or no-cache',
    fails: (request) => !absentOr(request.cachePolicy, /^(?:cache|no-cache)$/),
  },
  {
    description: 'X-WNS-RequestForStatus should be true or false',
    fails: (request) => !absentOr(request.requestForStatus, /^(?:true|false)$/),
  },
  {
    description: 'X-WNS-TTL should be a number of seconds',
    fails: (request) => !absentOr(request.ttl, /^\d{1,10}$/) || Number(request.ttl) > MAX_TTL_SECONDS,
  },
  {
    description: 'Ttl value conflicts with X-WNS-Cache-Policy.',
    seen: '[O-TTL]',
    fails: (request) => request.ttl !== '' && Number(request.ttl) === 0 && request.cachePolicy !== 'no-cache',
  },
  {
    description: 'X-WNS-Tag should be letters and digits, and not too many',
    fails: (request, maxTagLength) => !isLabel(request.tag, maxTagLength),
  },
  {
    description: 'X-WNS-Group should be letters and digits, and not too many',
    fails: (request, maxTagLength) => !isLabel(request.group, maxTagLength),
  },
  {
    description: 'X-WNS-PRIORITY should be 1 to 4',
    fails: (request) => !absentOr(request.priority, /^[1-4]$/),
  },
  {
    description: 'X-WNS-SuppressPopup should be true or false',
    fails: (request) => !absentOr(request.suppressPopup, /^(?:true|false)$/),
  },
  {
    description: 'MS-CV should be a correlation vector of at most 127 characters',
    fails: (request) => request.msCv.length > MAX_CV_LENGTH || !absentOr(request.msCv, /^[A-Za-z0-9+/=]+(?:\.\d+)*!?$/),
  },
  { description: 'The body is empty', fails: (request) => request.body.length === 0 },
]

const replies = headerChecks.map((check) => ({
  check,
  reply: reply(400, 'dropped', { description: check.description }),
}))

/** The 400 for the first check that fails, or undefined. */
export function refuseHeaders(request: Request, maxTagLength: number): Reply | undefined {
  for (const { check, reply: refusal } of replies) if (check.fails(request, maxTagLength)) return refusal
  return undefined
}
