import type { Client } from '@wns-fanout/client'
import type { Campaign, RecipientClass } from '@wns-fanout/domain'
import { classes, isTerminal } from '@wns-fanout/domain'
import { formatCount, formatLeft, formatRate } from './terminal/format.ts'
import type { Progress, Step } from './terminal/progress.ts'

export interface FollowOptions {
  readonly progress: Progress
  /** Aborted when the operator no longer wants to look; the campaign goes on. */
  readonly signal: AbortSignal
  readonly onUpdate?: (campaign: Campaign) => void
}

/** Watches a campaign to its end and answers its last state, or the latest known one when `signal` was aborted. */
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

/** The classes that have somebody, in the order of the glossary. */
export function classCounts({ totals }: Campaign): readonly (readonly [name: RecipientClass, count: number])[] {
  return classes.flatMap((name) => (totals[name] === 0 || name === 'pending' ? [] : [[name, totals[name]] as const]))
}

/** What each class means and what one does about it, for people. */
export const classMeanings: Readonly<Record<RecipientClass, string>> = {
  accepted: 'WNS took it',
  dropped: 'WNS answered 200 but did not pass it on',
  dead: '404 or 410: the address is finished; the channel was removed',
  rejected: 'refused for good (400, 403, 413, blocked); see samples',
  failed: 'attempts used up; retry-failed sends to them again',
  suppressed: 'had a generic update within the guard interval, or opted out',
  gated: 'raw gate is closed until the device is active again',
  unregistered: 'removed after the audience was frozen',
  cancelled: 'the campaign was cancelled or halted first',
  lapsed: 'the campaign expired first',
  in_doubt: 'nobody can tell whether it arrived (at-most-once does not ask twice)',
  pending: 'not settled yet',
}
