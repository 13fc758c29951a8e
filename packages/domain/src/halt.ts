import type { Campaign } from './campaign.ts'

/**
 * Why a campaign halts by itself. Its owner can accept the cause and resume it, and the cause does not halt it again.
 */
export const haltCauses = ['canary', 'failure-share', 'mass-removal', 'breaker'] as const
export type HaltCause = (typeof haltCauses)[number]

export function isHaltCause(reason: string | undefined): reason is HaltCause {
  return haltCauses.some((cause) => cause === reason)
}

const found: Readonly<Record<HaltCause, string>> = {
  canary: 'too many recipients of the canary failed',
  'failure-share': 'more recipients failed than maxFailureShare allows',
  'mass-removal': 'WNS reports too many URIs as dead, so no more channels are removed',
  breaker: 'WNS rejects at least half of the posts as malformed or too large',
}

const look: Readonly<Record<HaltCause, string>> = {
  canary: 'read the results and the samples',
  'failure-share': 'read the results and the samples',
  'mass-removal': 'read the results with reason=not-removed, and check that the app and its URIs belong together',
  breaker: 'read the samples, and correct the notification',
}

/** What halted a campaign, and what its owner can do next. */
export function haltDetail(cause: HaltCause): string {
  return (
    `${found[cause]}. Next: ${look[cause]}; then resume the campaign with {"accept": "${cause}"}, ` +
    'which does not halt for this again, or cancel it'
  )
}

/** Is it halted by a cause that its owner can accept? Its recipients are pending until then. */
export function isHeld({ state, reason, finishedAt }: Pick<Campaign, 'state' | 'reason' | 'finishedAt'>): boolean {
  return state === 'halted' && finishedAt === undefined && isHaltCause(reason)
}
