import { getText } from '../http.ts'
import type { Check } from './checks.ts'

/** A scrape reads the gauges within two seconds, so older ones could not be read. */
const FRESH_SECONDS = 60

/**
 * Whether the API can read the gauges of all apps, on which alerts and autoscaling rely. Nothing if it does not answer:
 * another check reports that.
 */
export async function checkGauges(ops: string): Promise<readonly Check[]> {
  try {
    const { status, text } = await getText(`${ops}/metrics`)
    return status === 200 ? [gaugesIn(text, Date.now() / 1000)] : []
  } catch {
    return []
  }
}

/** Judges the metrics of an API process. */
export function gaugesIn(metrics: string, nowSeconds: number): Check {
  const what = 'gauges'
  const readAt = Number(/^wns_fanout_gauges_read_timestamp_seconds (\S+)$/m.exec(metrics)?.[1] ?? 0)
  const ageSeconds = Math.max(0, Math.round(nowSeconds - readAt))
  if (ageSeconds < FRESH_SECONDS) return { state: 'ok', what, found: `read ${ageSeconds} s ago` }
  return {
    state: 'warn',
    what,
    found: readAt > 0 ? `last read ${ageSeconds} s ago, so alerts and autoscaling see old values` : 'never read',
    todo: 'see the log line "gauges" of the API, and "Gauges stale" in docs/operations.md',
  }
}
