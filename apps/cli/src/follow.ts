import type { Client } from '@wns-fanout/client'
import type { Campaign, RecipientClass } from '@wns-fanout/domain'
import { classes, isTerminal } from '@wns-fanout/domain'
import { formatCount, formatLeft, formatRate } from './terminal/format.ts'
import type { Progress, Step } from './terminal/progress.ts'

export interface FollowOptions {
  readonly progress: Progress
  /** Stops the display; the campaign continues. */
  readonly signal: AbortSignal
  readonly onUpdate?: (campaign: Campaign) => void
}

/** Watches a campaign to its end and returns its last state, or the latest known one when `signal` is aborted. */
export async function follow(
  api: Client,
  first: Campaign,
  { progress, signal, onUpdate }: FollowOptions,
): Promise<Campaign> {
  let latest = first
  try {
    for await (const campaign of api.watch(first.id, { signal })) {
      latest = campaign
      onUpdate?.(campaign)
      progress.update(stepOf(campaign))
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
  progress.end(stepOf(latest))
  return latest
}

export function stepOf(campaign: Campaign): Step {
  const { audienceSize: total, totals } = campaign
  if (total === null) return { done: 0, total: null, note: stateOf(campaign) }
  const done = total - totals.pending
  const parts = [
    `${formatCount(done)} of ${formatCount(total)}`,
    ...(campaign.state === 'sending' && campaign.reason === undefined ? [] : [stateOf(campaign)]),
    ...(campaign.ratePerSecond > 0 && !isTerminal(campaign.state) ? [formatRate(campaign.ratePerSecond)] : []),
    ...(campaign.etaSeconds === null || isTerminal(campaign.state) ? [] : [`${formatLeft(campaign.etaSeconds)} left`]),
    classCounts(campaign)
      .map(([name, count]) => `${name} ${formatCount(count)}`)
      .join(' '),
  ]
  return { done, total, note: parts.filter((part) => part !== '').join('  ') }
}

/** `paused (app-paused)`, `completed`. */
export function stateOf({ state, reason, startAt }: Campaign): string {
  return `${state}${reason === undefined ? '' : ` (${reason})`}${state === 'scheduled' && startAt !== undefined ? ` for ${startAt}` : ''}`
}

/** The classes with at least one recipient, in the order of the glossary. */
export function classCounts({ totals }: Campaign): readonly (readonly [name: RecipientClass, count: number])[] {
  return classes.flatMap((name) => (totals[name] === 0 || name === 'pending' ? [] : [[name, totals[name]] as const]))
}

/** The meaning of each class, and what to do about it. */
export const classMeanings: Readonly<Record<RecipientClass, string>> = {
  accepted: 'accepted by WNS',
  dropped: 'WNS answered 200 but dropped it',
  dead: '404 or 410: the channel expired and was removed',
  rejected: 'rejected permanently (400, 403, 413, blocked); see samples',
  failed: 'all attempts failed; retry-failed sends to them again',
  suppressed: 'notified within the guard interval, or opted out',
  gated: 'raw gate closed until the device is active again',
  unregistered: 'removed after the audience was frozen',
  cancelled: 'not sent: the campaign was cancelled or halted',
  lapsed: 'not sent: the campaign expired',
  in_doubt: 'no answer to the post; at-most-once does not retry',
  pending: 'not settled yet',
}
