import type { AppId, CampaignState } from '@wns-fanout/domain'
import { isTerminal, campaignStates } from '@wns-fanout/domain'
import type { CampaignRecord } from '@wns-fanout/state'
import { demandOf, measuredRate, pendingNow } from '@wns-fanout/fanout'
import type { Metrics } from '@wns-fanout/runtime'
import { ageDays } from './age-gauges.ts'
import type { ApiDeps } from './deps.ts'

export type GaugeDeps = Pick<ApiDeps, 'apps' | 'registry' | 'ages' | 'rateOf' | 'campaigns' | 'ledger' | 'workers'>

interface AppGauges {
  readonly app: AppId
  readonly channels: number
  readonly closedRawGates: number
  /** Of each of `ageDays`; empty while it is not known. */
  readonly older: readonly number[]
  readonly effectiveRate: number
  readonly configuredRate: number
  /** Posts per second that workers could use. */
  readonly demand: number
  /** Recipients that are settled per second. */
  readonly settled: number
  readonly pending: Readonly<Record<Held, number>>
  readonly campaigns: ReadonlyMap<CampaignState, number>
  /** Seconds since the oldest unsettled batch could be sent. */
  readonly oldestBatch: number
  readonly breaker: string | undefined
}

/** What holds recipients: nothing, the paused app, its breaker, or the paused or halted campaign. */
const heldBy = ['none', 'app', 'breaker', 'campaign', 'local-time'] as const
type Held = (typeof heldBy)[number]

const breakerKinds = ['credentials', 'token', 'answers'] as const
// A halted campaign waits for its owner.
const openStates = campaignStates.filter((state) => !isTerminal(state) || state === 'halted')
// As many as get a label of their own.
const MAX_APPS = 1000
const APPS_AT_ONCE = 50

/**
 * The gauges of the whole installation, read from Redis at each scrape. Every replica of the API shows the same values,
 * so aggregate them by `max`. All are set at once after all were read: a scrape that is cut short keeps the previous
 * values. An app that cannot be read has no gauges and is reported; the others keep theirs.
 */
export async function collectGauges(metrics: Metrics, deps: GaugeDeps, signal: AbortSignal): Promise<void> {
  const revisions = [...(await deps.apps.revisions()).values()].slice(0, MAX_APPS)
  await deps.ages.refresh(
    revisions.map(({ settings }) => settings.app),
    signal,
  )
  const all: AppGauges[] = []
  const failures: unknown[] = []
  for (let at = 0; at < revisions.length; at += APPS_AT_ONCE) {
    signal.throwIfAborted()
    const some = revisions.slice(at, at + APPS_AT_ONCE)
    for (const result of await Promise.allSettled(some.map((revision) => readGauges(deps, revision))))
      if (result.status === 'fulfilled') all.push(result.value)
      else failures.push(result.reason)
  }
  const workers = await deps.workers.count()
  signal.throwIfAborted()
  // If no app can be read, the cause is Redis and not an app.
  if (failures.length > 0 && all.length === 0) throw failures[0]
  show(metrics, all)
  metrics.workersWanted.set(
    deps.workers.wanted.count({
      demand: all.reduce((sum, { demand }) => sum + demand, 0),
      settled: all.reduce((sum, { settled }) => sum + settled, 0),
      workers,
    }),
  )
  if (failures.length === 0) metrics.gaugesRead.setToCurrentTime()
  if (failures.length > 0)
    throw new AggregateError(failures, `the gauges of ${failures.length} of ${revisions.length} apps cannot be read`)
}

type Revision = Awaited<ReturnType<GaugeDeps['apps']['revisions']>> extends Map<AppId, infer R> ? R : never

async function readGauges(deps: GaugeDeps, { settings, state, breaker }: Revision): Promise<AppGauges> {
  const { app } = settings
  const [channels, closedRawGates, rate, records] = await Promise.all([
    deps.registry.count(app),
    deps.registry.closedRawGates(app),
    deps.rateOf({ settings }),
    deps.campaigns.unfinished(app),
  ])
  const isSending = state === 'active' && breaker === undefined
  const sending = records.filter((record) => record.state === 'sending')
  const campaigns = new Map<CampaignState, number>(openStates.map((name) => [name, 0]))
  for (const record of records) campaigns.set(record.state, (campaigns.get(record.state) ?? 0) + 1)
  return {
    app,
    channels,
    closedRawGates,
    older: deps.ages.of(app),
    effectiveRate: rate.effectiveRatePerSecond,
    configuredRate: settings.ratePerSecond,
    demand: isSending ? demandOf(sending, rate.effectiveRatePerSecond) : 0,
    settled: sending.reduce((sum, record) => sum + measuredRate(record), 0),
    pending: pendingOf(records, state === 'active' ? (breaker === undefined ? 'none' : 'breaker') : 'app'),
    campaigns,
    // A batch that waits for an operator is not late.
    oldestBatch: isSending ? await oldestBatchOf(deps, sending) : 0,
    breaker: breaker?.kind,
  }
}

async function oldestBatchOf(deps: GaugeDeps, sending: readonly CampaignRecord[]): Promise<number> {
  const ages = await Promise.all(
    sending.map(async ({ definition: { app, id }, redisNowMs }) => {
      // A damaged ledger has an alert of its own, and the other gauges of the app stay.
      const readyAtMs = await deps.ledger.oldestReadyAtMs({ app, campaign: id }).catch(() => undefined)
      return readyAtMs === undefined ? 0 : (redisNowMs - readyAtMs) / 1000
    }),
  )
  return Math.max(0, ...ages)
}

function pendingOf(
  records: readonly CampaignRecord[],
  app: Exclude<Held, 'campaign' | 'local-time'>,
): Record<Held, number> {
  const pending = { none: 0, app: 0, breaker: 0, campaign: 0, 'local-time': 0 }
  for (const record of records) {
    const { state, totals } = record
    if (state === 'sending') {
      const now = pendingNow(record)
      pending[app] += now
      pending['local-time'] += totals.pending - now
    } else if (state === 'paused' || state === 'halted') pending.campaign += totals.pending
  }
  return pending
}

function show(metrics: Metrics, all: readonly AppGauges[]): void {
  const { backlogRecipients, backlogSeconds, campaigns, effectiveRate, channels, closedRawGates, breakerOpen } = metrics
  for (const gauge of [
    backlogRecipients,
    backlogSeconds,
    campaigns,
    effectiveRate,
    channels,
    closedRawGates,
    breakerOpen,
    metrics.configuredRate,
    metrics.channelsOlderThan,
    metrics.pendingRecipients,
    metrics.oldestUnsettledBatch,
  ])
    gauge.reset()
  for (const one of all) {
    const app = metrics.appLabel(one.app)
    channels.inc({ app }, one.channels)
    closedRawGates.inc({ app }, one.closedRawGates)
    for (const [at, count] of one.older.entries())
      metrics.channelsOlderThan.inc({ app, days: String(ageDays[at]) }, count)
    effectiveRate.inc({ app }, one.effectiveRate)
    metrics.configuredRate.inc({ app }, one.configuredRate)
    metrics.oldestUnsettledBatch.set({ app }, one.oldestBatch)
    for (const held of heldBy) metrics.pendingRecipients.inc({ app, held }, one.pending[held])
    // More workers could not send a backlog that waits for an operator.
    const backlog = one.pending.none
    backlogRecipients.inc({ app }, backlog)
    backlogSeconds.inc({ app }, one.effectiveRate > 0 ? backlog / one.effectiveRate : 0)
    for (const [state, count] of one.campaigns) campaigns.inc({ app, state }, count)
    for (const kind of breakerKinds) breakerOpen.inc({ app, kind }, one.breaker === kind ? 1 : 0)
  }
}
