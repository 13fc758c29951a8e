import type { AppSettings } from '@wns-fanout/domain'

/**
 * Seconds for which a channel that got a generic update gets no other one of its type. A margin of a minute is for
 * clocks that step; it shrinks with intervals that were made short on purpose.
 */
export const guardSecondsOf = (app: Pick<AppSettings, 'genericIntervalSeconds'>): number => {
  const interval = app.genericIntervalSeconds
  return interval === 0 ? 0 : interval + Math.min(60, Math.floor(interval / 30))
}
