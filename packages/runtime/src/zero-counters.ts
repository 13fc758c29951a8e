import { type RetryReason, classes, notificationTypes } from '@wns-fanout/domain'
import type { Counter, Histogram } from 'prom-client'

/** The counters with an `app` label whose other labels have known values, and the histogram of rare events. */
export interface AppCounters {
  readonly sends: Counter<'app' | 'type' | 'class'>
  readonly retries: Counter<'app' | 'reason'>
  readonly tokenRequests: Counter<'app' | 'result'>
  readonly guard: Counter<'app' | 'decision'>
  readonly batchesFenced: Counter<'app'>
  readonly takeovers: Counter<'app'>
  readonly reconciled: Counter<'app' | 'reason'>
  readonly ledgerDamaged: Counter<'app'>
  readonly scheduleRuns: Counter<'app' | 'result'>
  readonly webhookDeliveries: Counter<'app' | 'result'>
  readonly campaignsEnded: Counter<'app' | 'state' | 'reason'>
  readonly campaignDuration: Histogram<'app'>
}

// Each app has 44 series of recipients by class and type. A thousand apps would delay every scrape by half a second.
const MAX_APPS_WITH_CLASSES = 100

const settledClasses = classes.filter((name) => name !== 'pending')
const slotDecisions = ['taken', 'deferred', 'coalesced', 'dropped', 'refused'].map((decision) => `slot-${decision}`)
const guardDecisions = ['admitted', 'suppressed', 'faster-than-guideline', ...slotDecisions]
const retryReasons = Object.keys({
  'app-throttled': true,
  'channel-throttled': true,
  'server-error': true,
  'not-sent': true,
  ambiguous: true,
  unauthorized: true,
  'host-resting': true,
} satisfies Record<RetryReason, true>)

/**
 * Returns a function that starts every counter of an app at 0, once for each app. Prometheus does not count the first
 * value of a series as an increase, so a counter that starts with its first event hides that event.
 */
export function zeroCounters(counters: AppCounters): (app: string) => void {
  const started = new Set<string>()
  return (app) => {
    if (started.has(app)) return
    started.add(app)
    counters.takeovers.inc({ app }, 0)
    counters.batchesFenced.inc({ app }, 0)
    counters.ledgerDamaged.inc({ app }, 0)
    counters.campaignDuration.zero({ app })
    counters.campaignsEnded.inc({ app, state: 'completed', reason: 'none' }, 0)
    counters.campaignsEnded.inc({ app, state: 'expired', reason: 'expired' }, 0)
    for (const result of ['ran', 'refused', 'empty-audience', 'stopped']) counters.scheduleRuns.inc({ app, result }, 0)
    for (const result of ['delivered', 'failed', 'gave-up', 'disabled'])
      counters.webhookDeliveries.inc({ app, result }, 0)
    for (const reason of ['no-job', 'overdue']) counters.reconciled.inc({ app, reason }, 0)
    for (const result of ['ok', 'refused', 'failed']) counters.tokenRequests.inc({ app, result }, 0)
    for (const decision of guardDecisions) counters.guard.inc({ app, decision }, 0)
    for (const reason of retryReasons) counters.retries.inc({ app, reason }, 0)
    if (started.size > MAX_APPS_WITH_CLASSES) return
    for (const type of notificationTypes) {
      for (const name of settledClasses) counters.sends.inc({ app, type, class: name }, 0)
    }
  }
}
