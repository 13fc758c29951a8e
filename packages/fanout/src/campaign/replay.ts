import type { CampaignRequest, ReplayFilter } from '@wns-fanout/domain'
import { isTerminal, localTimeFields, Problem } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'

/**
 * The request of a campaign to recipients of an earlier one, with the same notification. Throws the Problem `conflict`
 * while the earlier one sends, and if its definition was lost.
 */
export function replayOf(
  record: CampaignRecord,
  { classes, reasons, includeInDoubt }: ReplayFilter & { readonly includeInDoubt?: boolean | undefined },
): CampaignRequest {
  const { id, request } = record.definition
  if (!isTerminal(record.state))
    throw new Problem(
      'conflict',
      `campaign ${id} is ${record.state}; only a finished or halted campaign has results to retry`,
    )
  if (record.definitionLost === true)
    throw new Problem('conflict', `the definition of campaign ${id} was lost, so it cannot be repeated; send a new one`)
  return {
    ...withoutTimes(request),
    audience: {
      failedOf: id,
      ...(classes === undefined ? {} : { classes: [...classes] }),
      ...(reasons === undefined ? {} : { reasons: [...reasons] }),
      ...(includeInDoubt === undefined ? {} : { includeInDoubt }),
    },
  }
}

/** A replay starts at once and has no part of its own to look at first. */
function withoutTimes(request: CampaignRequest): CampaignRequest {
  const once: (keyof CampaignRequest)[] = ['startAt', 'expiresAt', 'sample', 'canary', ...localTimeFields]
  const fields = Object.entries(request).filter(([name]) => !once.some((each) => each === name))
  return Object.fromEntries(fields) as CampaignRequest
}

/** Does a replay go to recipients alone that got nothing? They were confirmed with the campaign that missed them. */
export function isResend({ classes, reasons }: ReplayFilter): boolean {
  const missed = new Set<string>(['failed', 'lapsed', 'in_doubt'])
  return classes === undefined ? reasons === undefined : classes.every((one) => missed.has(one))
}
