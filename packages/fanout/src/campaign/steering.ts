import type { AppId, CampaignId, HaltCause } from '@wns-fanout/domain'
import { haltDetail, isTerminal, Problem } from '@wns-fanout/domain'
import type { CampaignRecord, CampaignStore } from '@wns-fanout/state'
import { canaryState } from '../plan/canary.ts'
import { translateLedgerErrors } from './ledger-problems.ts'
import { rejectErrors } from './request-errors.ts'

interface SteeringDeps {
  readonly campaigns: CampaignStore
}

const wanted = {
  pause: 'sending',
  resume: 'paused',
  cancel: 'scheduled, sending, paused, or halted by something that can be accepted',
} as const

/** Pause, resume or cancel a campaign. Throws the Problem `conflict` where its state does not allow it. */
export async function steer(
  { campaigns }: SteeringDeps,
  app: AppId,
  record: CampaignRecord,
  act: 'pause' | 'resume' | 'cancel',
): Promise<void> {
  const { id } = record.definition
  if (record.heldBy !== undefined && act !== 'cancel') throw halted(id, record.heldBy)
  const { ok, state } = await translateLedgerErrors(id, () => campaigns.steer(app, id, act))
  if (!ok) throw new Problem('conflict', `campaign ${id} is ${state}; this needs one that is ${wanted[act]}`)
}

/**
 * Resume a halted campaign whose owner accepts the cause of the halt. Throws the Problem `invalid` if another cause, or
 * none, has halted it, and `conflict` if it cannot be resumed any more. A repeated call changes nothing.
 */
export async function acceptHalt(
  { campaigns }: SteeringDeps,
  app: AppId,
  record: CampaignRecord,
  cause: HaltCause,
): Promise<void> {
  const { id } = record.definition
  rejectErrors(causeErrors(record, cause))
  const { ok, state } = await translateLedgerErrors(id, () => campaigns.steer(app, id, 'accept', cause))
  if (!ok) throw new Problem('conflict', `campaign ${id} is ${state} by now; read it again before you resume it`)
}

/**
 * Approve the canary of a campaign that waits for a person. Throws the Problem `conflict` if it does not wait for that.
 * A repeated call changes nothing.
 */
export async function approveCanary({ campaigns }: SteeringDeps, app: AppId, record: CampaignRecord): Promise<void> {
  const { definition, heldBy, state } = record
  const { id, request } = definition
  if (heldBy !== undefined) throw halted(id, heldBy)
  if (request.canary?.approve === undefined)
    throw new Problem(
      'conflict',
      `campaign ${id} has no canary to approve; only one with approve "manual" waits for it`,
    )
  const canary = canaryState(record)
  if (canary === 'passed') return
  if (state !== 'sending' && state !== 'paused')
    throw new Problem('conflict', `campaign ${id} is ${state}; a canary is approved while its campaign is sending`)
  if (canary === 'failed')
    throw new Problem(
      'conflict',
      `too many recipients of the canary of campaign ${id} failed, so it halts; then resume it`,
    )
  if (canary !== 'unapproved')
    throw new Problem('conflict', `the canary of campaign ${id} is not settled yet; read its results once it is`)
  await campaigns.passCanary(app, id)
}

function causeErrors({ definition: { id }, state, reason, heldBy, accepted }: CampaignRecord, cause: HaltCause) {
  if (heldBy === cause || (state === 'sending' && accepted.includes(cause))) return []
  if (heldBy === undefined && isTerminal(state))
    throw new Problem(
      'conflict',
      `campaign ${id} is ${[state, reason].filter(Boolean).join(' by ')} for good; send to its recipients again`,
    )
  const advice = state === 'paused' ? 'resume it without accept' : 'there is nothing to accept'
  const found =
    heldBy === undefined
      ? `campaign ${id} is ${state}, not halted; ${advice}`
      : `campaign ${id} is halted by ${heldBy}, not by ${cause}. ${sentence(haltDetail(heldBy))}`
  return [{ path: ['accept'], code: 'not-the-cause', detail: found }]
}

function halted(id: CampaignId, cause: HaltCause): Problem {
  return new Problem('conflict', `campaign ${id} is halted by ${cause}: ${haltDetail(cause)}`)
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
