import type { Campaign } from '@wns-fanout/domain'
import { classMeanings } from '../follow.ts'
import { formatBytes, formatCount, formatDuration, formatRate } from '../terminal/format.ts'
import { fieldLines, tableLines } from '../terminal/table.ts'
import type { Verdict } from './comparison.ts'
import type { WorkerUse } from './measure.ts'
import type { SimulatorStats } from './simulator.ts'

export interface Phase {
  readonly name: string
  readonly tookMs: number
  readonly note?: string
}

export interface DemoResult {
  readonly channels: number
  readonly campaign: Campaign
  readonly verdict: Verdict
  readonly stats: SimulatorStats
  readonly phases: readonly Phase[]
  readonly sendMs: number
  /** Milliseconds until 99 % of the recipients were settled; null if no update showed it. */
  readonly mostMs: number | null
  readonly workers: readonly WorkerUse[]
  /** Channels that are registered after the campaign. */
  readonly channelsLeft: number
}

/** Whether all counts agree and every recipient has an outcome. */
export function isRight({ verdict, campaign, channels, channelsLeft }: DemoResult): boolean {
  return (
    verdict.equal &&
    campaign.state === 'completed' &&
    campaign.audienceSize === channels &&
    channelsLeft === channels - campaign.totals.dead
  )
}

export function reportLines(result: DemoResult): readonly string[] {
  return [
    '',
    'The outcome of every recipient: the totals of the campaign, its results (one line per recipient), and the last',
    'answers that the simulator recorded.',
    '',
    ...resultTable(result.verdict),
    '',
    'Time per phase',
    ...tableLines(
      ['phase', 'took', ''],
      result.phases.map(({ name, tookMs, note }) => [name, formatDuration(tookMs), note]),
    ),
    '',
    ...fieldLines(measures(result)),
    '',
    ...verdictLines(result),
  ]
}

function resultTable({ rows }: Verdict): readonly string[] {
  const shown = rows.filter(({ totals, listed, simulator }) => totals + listed + simulator > 0)
  const sum = (of: 'totals' | 'listed' | 'simulator'): number => rows.reduce((total, row) => total + row[of], 0)
  return tableLines(
    ['class', 'totals', 'results', 'simulator', '', 'meaning'],
    [
      ...shown.map((row) => [
        row.class,
        row.totals,
        row.listed,
        row.simulator,
        isSame(row) ? '=' : '≠',
        classMeanings[row.class],
      ]),
      ['all', sum('totals'), sum('listed'), sum('simulator'), '', ''],
    ],
  )
}

function isSame(row: { totals: number; listed: number; simulator: number }): boolean {
  return row.totals === row.simulator && row.listed === row.simulator
}

function measures({ stats, sendMs, mostMs, workers, channels, channelsLeft, verdict }: DemoResult): [string, string][] {
  const cpuSeconds = workers.reduce((sum, { cpuSeconds: own }) => sum + own, 0)
  return [
    [
      'posts',
      `${formatCount(stats.posts)} for ${formatCount(channels)} recipients, ` +
        `peak ${formatCount(stats.peakPerSecond)} per second`,
    ],
    ...(mostMs === null
      ? []
      : [
          [
            'speed',
            `99 % settled after ${formatDuration(mostMs)} (${formatRate((channels * 0.99) / (mostMs / 1000))}); ` +
              `the others waited for their retries until ${formatDuration(sendMs)}`,
          ] as [string, string],
        ]),
    ['duplicates', `${formatCount(stats.duplicates)} accepted more than once`],
    [
      'politeness',
      `${formatCount(stats.tokenRequests)} token ${stats.tokenRequests === 1 ? 'request' : 'requests'} ` +
        'for all workers; ' +
        `${stats.badHeader} malformed and ${stats.wrongApp} misdirected posts`,
    ],
    ['registry', `${formatCount(channelsLeft)} channels left after removing the dead ones`],
    ...(verdict.differingPosts === 0
      ? []
      : [
          [
            'posts',
            `${formatCount(verdict.differingPosts)} recipients whose number of posts differs from the simulator's`,
          ] as [string, string],
        ]),
    ...(workers.length === 0
      ? []
      : ([
          [
            'memory',
            `${workers.map(({ memoryBytes }) => formatBytes(memoryBytes)).join(', ')} at most, one number per worker`,
          ],
          ['CPU', `${((cpuSeconds / stats.posts) * 1e6).toFixed(0)} µs per post in the workers, including their start`],
        ] as [string, string][])),
  ]
}

function verdictLines(result: DemoResult): readonly string[] {
  const { verdict, campaign, channels, channelsLeft } = result
  if (isRight(result))
    return [
      `OK: the totals equal the simulator's counts in every class, and for each of the ${formatCount(channels)} recipients.`,
    ]
  return [
    'NOT EQUAL:',
    ...verdict.rows
      .filter((row) => !isSame(row))
      .map(
        (row) =>
          `  ${row.class}: totals ${formatCount(row.totals)}, results ${formatCount(row.listed)}, simulator ${formatCount(row.simulator)}`,
      ),
    ...(verdict.differing === 0
      ? []
      : [`  ${formatCount(verdict.differing)} recipients have different outcomes on the two sides`]),
    ...(verdict.strangers === 0
      ? []
      : [`  ${formatCount(verdict.strangers)} lines are about unknown recipients, or repeat one`]),
    ...(campaign.state === 'completed'
      ? []
      : [`  the campaign ended as ${campaign.state}${campaign.reason === undefined ? '' : ` (${campaign.reason})`}`]),
    ...(campaign.audienceSize === channels
      ? []
      : [`  the audience had ${campaign.audienceSize} of ${channels} channels`]),
    ...(channelsLeft === channels - campaign.totals.dead
      ? []
      : [
          `  ${formatCount(channelsLeft)} channels are registered; ` +
            `expected ${formatCount(channels - campaign.totals.dead)}`,
        ]),
  ]
}
