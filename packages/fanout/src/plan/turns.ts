import { campaignWeight } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'

/**
 * Turns decide the order in which workers take the batches of an app's campaigns: the batch with the lowest turn goes
 * first. Each batch moves the turn of its campaign on, by less if the campaign has a greater weight. A newcomer starts
 * at the lowest turn that waits, so it is next, and does not catch up on the time before.
 *
 * A turn is the priority of a job, so it is limited to what BullMQ allows.
 */
export const MAX_TURN = 2_097_152
/** By how much a batch of the least weight moves its campaign on. */
const TURN_UNITS = 8

type Planned = Pick<CampaignRecord, 'definition' | 'turn' | 'planned'>

/** Another campaign of the app that is sending. `active` of its batches are open or wait for a worker. */
export type Competitor = Pick<CampaignRecord, 'definition' | 'turn'> & { readonly active: number }

/** By how much each batch moves the turn of its campaign on. */
function stepOf({ definition }: Pick<CampaignRecord, 'definition'>): number {
  return Math.max(1, Math.round(TURN_UNITS / campaignWeight[definition.priority]))
}

/** The turn of a planned batch, by its sequence number. */
export function turnOf(record: Planned, seq: number): number {
  return limited(record.turn - (record.planned - seq) * stepOf(record))
}

/** The turns of the next batches of a campaign. */
export function nextTurns(
  record: Planned,
  others: readonly Competitor[],
  count: number,
): { readonly turns: readonly number[]; readonly next: number } {
  const waiting = others.filter(({ active }) => active > 0)
  const fronts = waiting.map((other) => other.turn - other.active * stepOf(other))
  const first = Math.max(1, record.turn, fronts.length === 0 ? 0 : Math.min(...fronts))
  const step = stepOf(record)
  const turns = Array.from({ length: count }, (_, at) => limited(first + at * step))
  return { turns, next: limited(first + count * step) }
}

function limited(turn: number): number {
  return Math.min(Math.max(1, turn), MAX_TURN)
}
