import type { Estimate } from '@wns-fanout/domain'
import { formatCount, formatDuration } from './terminal/format.ts'
import { waveLines } from './wave-lines.ts'

/** The answer to a dry run, what would stop or lessen the campaign first. */
export function forecastLines({
  audienceSize,
  optedOut,
  optedOutOfTopic,
  suppressed,
  gated,
  contents,
  waves,
  localTimePassed = 0,
  slot,
  credentials,
  estimate,
  confirm,
}: Estimate): string[] {
  const lessened: (readonly [count: number, meaning: string])[] = [
    [optedOut, 'opted out and are no recipients'],
    [optedOutOfTopic, 'opted out of the topic and are no recipients'],
    [localTimePassed, 'are no recipients: the local time of their zone has passed'],
    [suppressed, 'would be suppressed: notified within the guard interval'],
    [gated, 'would be gated: the raw gate is closed'],
  ]
  const { examined = 0, lackingVariables = 0, tooLarge = 0, invalid = 0 } = contents ?? {}
  const among = `of ${formatCount(examined)} examined`
  const filledIn: typeof lessened = [
    [lackingVariables, `${among} lack a variable that has no fallback`],
    [tooLarge, `${among} would be rejected: too large once filled in`],
    [invalid, `${among} would be rejected: invalid once filled in`],
  ]
  return [
    ...(credentials.ok ? [] : [`The credentials do not work: ${credentials.code}. ${credentials.explanation}`]),
    ...(slot === undefined ? [] : [`Campaign ${slot.campaign} has the slot of the topic until ${slot.until}.`]),
    ...[...lessened, ...filledIn]
      .filter(([count]) => count > 0)
      .map(([count, meaning]) => `${formatCount(count)} ${meaning}.`),
    `${formatCount(audienceSize)} recipients; about ${formatDuration(estimate.seconds * 1000)} ` +
      `at ${formatCount(estimate.ratePerSecond)} posts per second. Nothing was sent.`,
    ...waveLines(waves),
    ...(confirm === undefined ? [] : [`To send it until ${confirm.expiresAt}: --confirm ${confirm.digest}`]),
  ]
}
