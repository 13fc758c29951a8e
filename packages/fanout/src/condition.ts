import type { AppId } from '@wns-fanout/domain'
import type { AppStore, Permits } from '@wns-fanout/state'
import type { AppCondition } from './campaign/view.ts'

/** What slows or stops an app now; one that does not exist can do nothing. */
export function conditionOf(apps: AppStore, permits: Permits) {
  return async (app: AppId): Promise<AppCondition> => {
    const record = await apps.get(app)
    if (record === null) return { paused: true, effectiveRatePerSecond: 0 }
    const { effectiveRate, pausedUntilMs } = await permits.look(app, record.settings)
    return {
      paused: record.state === 'paused',
      effectiveRatePerSecond: effectiveRate,
      isThrottled: effectiveRate < record.settings.ratePerSecond,
      throttledUntilMs: pausedUntilMs,
      breaker: record.breaker,
    }
  }
}
