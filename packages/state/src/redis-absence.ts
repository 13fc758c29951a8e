import type { RedisConnection } from './redis.ts'

/** The log line about a return, for people. */
export function backLine(awayMs: number): string {
  return `Redis is back after ${(awayMs / 1000).toFixed(1)} s`
}

/**
 * Calls `onBack` each time that a connection is ready again after it was lost, with the milliseconds between. The first
 * connection is no return.
 */
export function watchAbsence(connection: RedisConnection, onBack: (awayMs: number) => void): void {
  let wasReady = false
  let lostAtMs: number | undefined
  // Each failed attempt to reconnect closes the connection once more, so only the first one counts.
  connection.on('close', () => {
    if (wasReady) lostAtMs ??= performance.now()
  })
  connection.on('ready', () => {
    wasReady = true
    if (lostAtMs === undefined) return
    const awayMs = performance.now() - lostAtMs
    lostAtMs = undefined
    onBack(awayMs)
  })
}
