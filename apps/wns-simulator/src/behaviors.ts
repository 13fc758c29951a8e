import { hashOf } from './hash.ts'
import { type Reply, reply } from './reply.ts'

/** The place of a behavior in the order of checks: before the checks of headers and rate, or after them. */
type Stage = 'app' | 'channel' | 'device'

/** The behavior in a channel address. `parameter` is the number of `slow-<ms>`, `flaky-<percent>`, `drip-<ms>`. */
export interface Behavior {
  readonly name: BehaviorName
  readonly stage: Stage
  readonly parameter: number
}

interface Rule {
  readonly name: BehaviorName
  readonly stage: Stage
  readonly largest: number | undefined
}

const MINUTE_MS = 60_000

export const behaviorNames = [
  'ok',
  'dropped',
  'offline',
  'sleeping',
  'gone',
  'revoked',
  'blocked',
  'unknown',
  'unauthorized',
  'throttled',
  'forbidden',
  'badheader',
  'error',
  'unavailable',
  'reset',
  'cut',
  'hangup',
  'stall',
  'slow',
  'drip',
  'flaky',
] as const
export type BehaviorName = (typeof behaviorNames)[number]

const appStage: readonly BehaviorName[] = ['forbidden']
const channelStage: readonly BehaviorName[] = ['unauthorized', 'gone', 'revoked', 'blocked', 'unknown']
/** The largest number after the dash, for behaviors with a number. */
const largestArguments = new Map<BehaviorName, number>([
  ['slow', 10 * MINUTE_MS],
  ['drip', 10 * MINUTE_MS],
  ['flaky', 100],
])
const known = new Map(behaviorNames.map((name) => [name as string, ruleOf(name)]))

const replies = {
  received: reply(200, 'received'),
  dropped: reply(200, 'dropped'),
  offline: reply(200, 'dropped', { device: 'disconnected' }),
  notCached: reply(200, 'dropped', {
    device: 'disconnected',
    description: 'Device is offline and X-WNS-Cache-Policy is no-cache',
  }),
  cached: reply(200, 'received', { device: 'disconnected' }),
  expired: reply(410, 'dropped', { description: 'Channel URL expired' }),
  revoked: reply(410, 'revoked', { description: 'Revoked channel URL' }),
  blocked: reply(410, 'dropped', { outcome: '410-blocked', description: 'Domain Blocked' }),
  unknown: reply(404, 'dropped', { description: 'Channel URL unknown' }),
  unauthorized: reply(401, 'dropped', {
    authenticate: 'Bearer error="invalid_request",error_description="Invalid token"',
  }),
  throttled: reply(200, 'channelthrottled', { retryAfter: '2' }),
  forbidden: reply(403, 'dropped', { description: 'Channel URL incompatible with caller app' }),
  badheader: reply(400, 'dropped', { description: 'Invalid header' }),
  error: reply(500, 'dropped'),
  unavailable: reply(503, 'dropped', { retryAfter: '1' }),
  reset: reply(0, null, { act: 'reset', outcome: 'reset' }),
  cut: reply(200, 'received', { act: 'cut', outcome: 'cut' }),
  hangup: reply(0, null, { act: 'hangup', outcome: 'hangup' }),
  stall: reply(0, null, { act: 'stall', outcome: 'stall' }),
  drip: reply(200, 'received', { act: 'drip' }),
} as const

/** Parses the word before the first dot of a channel token; undefined for an unknown behavior. */
export function parseBehavior(word: string): Behavior | undefined {
  const dash = word.indexOf('-')
  const name = dash < 0 ? word : word.slice(0, dash)
  const rule = known.get(name)
  if (rule === undefined || (rule.largest === undefined) !== dash < 0) return undefined
  const digits = word.slice(name.length + 1)
  if (rule.largest !== undefined && !/^\d{1,6}$/.test(digits)) return undefined
  const parameter = Number(digits)
  return parameter > (rule.largest ?? 0) ? undefined : { name: rule.name, stage: rule.stage, parameter }
}

function ruleOf(name: BehaviorName): Rule {
  const stage = appStage.includes(name) ? 'app' : channelStage.includes(name) ? 'channel' : 'device'
  return { name, stage, largest: largestArguments.get(name) }
}

/** The facts that decide between two answers of the same channel. */
export interface Occasion {
  readonly id: string
  /** Number of posts that have reached the device, including this one. */
  readonly ordinal: number
  readonly raw: boolean
  readonly cache: string
}

export function replyOf(behavior: Behavior, occasion: Occasion): Reply {
  switch (behavior.name) {
    case 'ok':
    case 'slow':
      return replies.received
    case 'dropped':
      return replies.dropped
    case 'offline':
      return replies.offline
    case 'sleeping':
      return isKept(occasion) ? replies.cached : replies.notCached
    case 'gone':
      return replies.expired
    case 'revoked':
      return replies.revoked
    case 'blocked':
      return replies.blocked
    case 'unknown':
      return replies.unknown
    case 'unauthorized':
      return replies.unauthorized
    case 'throttled':
      return occasion.ordinal === 1 ? replies.throttled : replies.received
    case 'forbidden':
      return replies.forbidden
    case 'badheader':
      return replies.badheader
    case 'error':
      return replies.error
    case 'unavailable':
      return replies.unavailable
    case 'reset':
      return replies.reset
    case 'cut':
      return replies.cut
    case 'hangup':
      return replies.hangup
    case 'stall':
      return replies.stall
    case 'drip':
      return replies.drip
    case 'flaky':
      return fails(behavior.parameter, occasion) ? replies.error : replies.received
    default:
      return behavior.name satisfies never
  }
}

/** WNS keeps one tile, badge and toast for an offline device by default, and raw only on request. */
function isKept(occasion: Occasion): boolean {
  return occasion.raw ? occasion.cache === 'cache' : occasion.cache !== 'no-cache'
}

function fails(percent: number, occasion: Occasion): boolean {
  return hashOf(`${occasion.id}:${occasion.ordinal}`) % 100 < percent
}
