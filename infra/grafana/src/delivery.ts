import { BLUE, DARK_RED, GRAY, GREEN, ORANGE, PURPLE, RED, YELLOW } from './colors.ts'
import { ofClasses, ofLimits, ofQuantiles, ofStatuses } from './colors.ts'
import type { Content } from './frame.ts'
import { graph, heatmap, stat, timeline } from './panels.ts'
import { inFiveMinutes, installation, perSecond, quantile, series } from './series.ts'

const answers = series('http_responses_total')
const sends = series('sends_total')
const postBuckets = series('send_duration_seconds_bucket')

function shareOf(statuses: string): string {
  const some = series('http_responses_total', `status=~"${statuses}"`)
  return `(sum(rate(${some}[5m])) or vector(0)) / sum(rate(${answers}[5m]))`
}

const answersOfWns = [
  stat({
    title: 'Accepted',
    description: 'Posts that WNS answered with 200, as a share of all posts of five minutes.',
    queries: [{ expr: shareOf('200'), legend: 'accepted' }],
    unit: 'percentunit',
    width: 6,
    runbook: 'many-rejected-or-failed',
    steps: [{ color: RED }, { value: 0.8, color: YELLOW }, { value: 0.95, color: GREEN }],
  }),
  stat({
    title: 'Failing',
    description: 'Posts with a 5xx or no complete answer, as a share of all posts of five minutes.',
    queries: [{ expr: shareOf('5..|none'), legend: 'failing' }],
    unit: 'percentunit',
    width: 6,
    runbook: 'wns-errors',
    steps: [{ color: GREEN }, { value: 0.01, color: YELLOW }, { value: 0.1, color: RED }],
  }),
  stat({
    title: 'Dead',
    description: 'Posts to a URI that WNS reports as expired or unknown, as a share of all posts of five minutes.',
    queries: [{ expr: shareOf('404|410'), legend: 'dead' }],
    unit: 'percentunit',
    width: 6,
    runbook: 'many-dead',
    steps: [{ color: GREEN }, { value: 0.05, color: YELLOW }, { value: 0.2, color: RED }],
  }),
  stat({
    title: 'Throttled',
    description: 'Posts that WNS answered with 406 or 429, as a share of all posts of five minutes.',
    queries: [{ expr: shareOf('406|429'), legend: 'throttled' }],
    unit: 'percentunit',
    width: 6,
    runbook: 'throttled',
    steps: [{ color: GREEN }, { value: 0.001, color: YELLOW }, { value: 0.05, color: ORANGE }],
  }),
  graph({
    title: 'WNS answers, by HTTP status',
    description: 'Posts per second; "none" had no complete answer.',
    queries: [{ expr: perSecond('status', answers), legend: '{{status}}' }],
    unit: 'reqps',
    width: 8,
    runbook: 'wns-errors',
    colors: ofStatuses,
    stack: 'sum',
  }),
  graph({
    title: 'Share of each HTTP status',
    description: 'The same posts, as shares.',
    queries: [{ expr: perSecond('status', answers), legend: '{{status}}' }],
    unit: 'reqps',
    width: 8,
    runbook: 'many-rejected-or-failed',
    colors: ofStatuses,
    stack: 'percent',
  }),
  heatmap({
    title: 'Post duration, distribution',
    description: 'From writing a post to its answer; one in sixteen is measured.',
    queries: [{ expr: `sum by (le) (rate(${postBuckets}[$__rate_interval]))`, legend: '{{le}}' }],
    unit: 's',
    width: 8,
    runbook: 'send-slow',
  }),
  graph({
    title: 'Post duration',
    description: 'From writing a post to its answer.',
    queries: [
      { expr: quantile(0.5, '', postBuckets), legend: 'median' },
      { expr: quantile(0.95, '', postBuckets), legend: 'p95' },
      { expr: quantile(0.99, '', postBuckets), legend: 'p99' },
    ],
    unit: 's',
    width: 8,
    runbook: 'send-slow',
    colors: ofQuantiles,
  }),
  graph({
    title: 'Not accepted, by class',
    description: 'Settled recipients per second, without accepted ones.',
    queries: [{ expr: perSecond('class', series('sends_total', 'class!="accepted"')), legend: '{{class}}' }],
    unit: 'ops',
    width: 8,
    runbook: 'many-rejected-or-failed',
    colors: ofClasses,
    stack: 'sum',
  }),
  graph({
    title: 'Retries, by reason',
    description: 'Recipients that will be retried, per second; "host-resting" counts batches.',
    queries: [{ expr: perSecond('reason', series('retries_total')), legend: '{{reason}}' }],
    unit: 'ops',
    width: 8,
    runbook: 'send-slow',
    stack: 'sum',
  }),
]

const pace = [
  graph({
    title: 'Posts against the allowed and the configured rate',
    description: 'The allowed rate is below the configured one after WNS throttled the app.',
    queries: [
      { expr: perSecond('app', answers), legend: '{{app}}' },
      { expr: installation('app', series('effective_rate')), legend: '{{app}} allowed' },
      { expr: installation('app', series('configured_rate_posts_per_second')), legend: '{{app}} configured' },
    ],
    unit: 'ops',
    width: 8,
    runbook: 'throttled',
    colors: ofLimits,
  }),
  graph({
    title: 'Allowed rate as a share of the configured rate',
    description: 'Below 100 % after WNS throttled the app. All workers raise it again together.',
    queries: [
      {
        expr:
          `${installation('app', series('effective_rate'))} / ` +
          installation('app', series('configured_rate_posts_per_second')),
        legend: '{{app}}',
      },
    ],
    unit: 'percentunit',
    width: 8,
    runbook: 'throttled',
    max: 1,
  }),
  graph({
    title: 'Wait for permits',
    description: '95 of 100 batches waited at most this long for permits of their app.',
    queries: [{ expr: quantile(0.95, 'app', series('permit_wait_seconds_bucket')), legend: '{{app}}' }],
    unit: 's',
    width: 8,
    runbook: 'backlog-is-long',
  }),
  graph({
    title: 'Settled, by notification type',
    description: 'Settled recipients per second.',
    queries: [{ expr: perSecond('type', sends), legend: '{{type}}' }],
    unit: 'ops',
    width: 8,
    stack: 'sum',
  }),
  graph({
    title: 'Backlog, by app',
    description: 'Unsettled recipients of sending campaigns. 0 while the app is paused or its breaker is open.',
    queries: [{ expr: installation('app', series('backlog_recipients')), legend: '{{app}}' }],
    unit: 'short',
    width: 8,
    runbook: 'backlog-is-long',
    stack: 'sum',
  }),
  graph({
    title: 'Lanes in use',
    description: 'Connections to WNS in use, as a share of the limit of all workers. Near 100 % more workers help.',
    queries: [
      {
        expr: `sum(${series('lanes', 'state="busy"')}) / sum(${series('lanes_limit')})`,
        legend: 'in use',
      },
    ],
    unit: 'percentunit',
    width: 8,
    runbook: 'backlog-is-long',
    max: 1,
  }),
]

const guardAndTokens = [
  graph({
    title: '30-minute guard',
    description:
      'Recipients that the guard admitted or suppressed, per second, and campaigns faster than the guideline.',
    queries: [{ expr: perSecond('decision', series('guard_total', 'decision!~"slot-.*"')), legend: '{{decision}}' }],
    unit: 'ops',
    width: 8,
    runbook: 'faster-than-the-guideline',
    colors: { admitted: GREEN, suppressed: BLUE, 'faster-than-guideline': ORANGE },
    stack: 'sum',
  }),
  graph({
    title: 'New campaigns, by the slot of their topic',
    description: 'What the guideline decided about new campaigns within five minutes.',
    queries: [
      { expr: inFiveMinutes('decision', series('guard_total', 'decision=~"slot-.*"')), legend: '{{decision}}' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'faster-than-the-guideline',
    colors: { 'slot-taken': GREEN, 'slot-(deferred|coalesced)': YELLOW, 'slot-(dropped|refused)': RED },
    stack: 'sum',
  }),
  graph({
    title: 'Token requests, by app and result',
    description: 'Within five minutes. One token serves all workers for hours.',
    queries: [{ expr: inFiveMinutes('app, result', series('token_requests_total')), legend: '{{app}} {{result}}' }],
    unit: 'short',
    width: 8,
    runbook: 'token-requests-fail',
    colors: { '.* ok': GREEN, '.* refused': RED, '.* failed': DARK_RED },
    stack: 'sum',
  }),
  timeline({
    title: 'Breakers',
    description: 'An app whose breaker is open sends nothing until WNS takes its credentials and posts again.',
    queries: [{ expr: installation('app, kind', series('breaker_open')), legend: '{{app}}: {{kind}}' }],
    unit: 'short',
    width: 8,
    runbook: 'breaker-open',
    words: { '0': { text: 'closed', color: GREEN }, '1': { text: 'open', color: RED } },
    steps: [{ color: GREEN }, { value: 1, color: RED }],
  }),
  graph({
    title: 'Channels, by app',
    description:
      'Registered channels, those whose raw gate is closed, and those that have not registered for 90 days. ' +
      'Dead channels are removed.',
    queries: [
      { expr: installation('app', series('channels')), legend: '{{app}}' },
      { expr: installation('app', series('closed_raw_gates')), legend: '{{app}} raw gate closed' },
      { expr: installation('app', series('channels_older_than', 'days="90"')), legend: '{{app}} older than 90 days' },
    ],
    unit: 'short',
    width: 8,
    runbook: 'channels-vanish',
    colors: { '.*raw gate closed': GRAY, '.*older than 90 days': ORANGE },
  }),
  graph({
    title: 'Dead channels, by app',
    description: 'Channels removed within five minutes because WNS reports their URI as expired or unknown.',
    queries: [{ expr: inFiveMinutes('app', series('sends_total', 'class="dead"')), legend: '{{app}}' }],
    unit: 'short',
    width: 8,
    runbook: 'many-dead',
    colors: { '.*': PURPLE },
    stack: 'sum',
  }),
]

export const delivery: Content = {
  name: 'delivery',
  title: 'Delivery',
  description: 'What WNS answers, at which pace we post, and what the guard, the tokens and the breakers do.',
  rows: { 'Answers of WNS': answersOfWns, 'Pace and throttling': pace, 'Guard, tokens and channels': guardAndTokens },
}
