import type { AppId, InputError, RecipientClass } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'

/** Classes of recipients that a campaign ended without sending to. */
const notSent = new Set<RecipientClass>(['cancelled', 'lapsed'])

/** Is a recipient of a finished campaign not among its rest? */
export function isDone(recipient: { readonly class: RecipientClass }): boolean {
  return !notSent.has(recipient.class)
}

/** Why a campaign has no rest to send to. `record` is null where the app has no such campaign. */
export function restErrors(app: AppId, id: string, record: CampaignRecord | null): InputError[] {
  if (record === null) return fault('missing', `app ${app} has no campaign ${id}`)
  if (record.heldBy !== undefined)
    return fault('not-finished', `campaign ${id} is halted by ${record.heldBy}; cancel it first, or resume it instead`)
  if (record.finishedAtMs === undefined)
    return fault('not-finished', `campaign ${id} is ${record.state}; its rest is known once it is finished`)
  if (record.definitionLost === true)
    return fault('definition-lost', `the definition of campaign ${id} was lost, so its audience is unknown`)
  return []
}

function fault(code: string, detail: string): InputError[] {
  return [{ path: ['audience', 'restOf'], code, detail }]
}
