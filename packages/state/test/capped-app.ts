import type { Permits } from '@wns-fanout/state'
import { NEWS } from './support.ts'

/** How WNS limits an app in a simulation. */
export interface HiddenCap {
  /** Posts per second that WNS accepts, by the time since the start. */
  readonly perSecondAt: (ms: number) => number
  /** The cap is counted over this time. Default 1 s. */
  readonly windowMs?: number
  readonly retryAfterMs?: number
}

export interface Simulated {
  /** Posts that were accepted, divided by those that the cap allowed, since `settledMs`. */
  readonly share: number
  /** Refused posts divided by all, since `settledMs`. */
  readonly refusedShare: number
}

export interface SimulationOptions {
  readonly ratePerSecond: number
  readonly workers: number
  readonly seconds: number
  /** Time until the rate has come down from the configured one; it is not measured. */
  readonly settledMs: number
  /** Time from a permit to the answer of WNS, in milliseconds. */
  readonly answerMs: number
}

interface Event {
  readonly atMs: number
  act(): Promise<void>
}

/** How long a grant lasts in a worker; as in `local-permits.ts`. */
const GRANT_MS = 50
const REFILLED_SHARE = 0.8

/**
 * Workers that always have recipients post as fast as the permits allow, in virtual time. The order of events is the
 * same in each run.
 */
export async function simulateCap(
  permits: Permits,
  clock: { nowMs: number },
  cap: HiddenCap,
  options: SimulationOptions,
): Promise<Simulated> {
  const startMs = clock.nowMs
  const endMs = startMs + options.seconds * 1000
  const limit = { ratePerSecond: options.ratePerSecond, burst: Math.round(options.ratePerSecond / 10) }
  const events: Event[] = []
  const at = (atMs: number, act: () => Promise<void>): void => {
    let place = events.length
    while (place > 0 && (events[place - 1]?.atMs ?? 0) <= atMs) place -= 1
    // The next event is the last.
    events.splice(place, 0, { atMs, act })
  }
  const { windowMs = 1000 } = cap
  const admitted: number[] = []
  const counts = { accepted: 0, refused: 0, allowed: 0 }
  const isSettled = (): boolean => clock.nowMs - startMs >= options.settledMs
  const admit = (): boolean => {
    while ((admitted[0] ?? Infinity) <= clock.nowMs - windowMs) admitted.shift()
    const isAccepted = admitted.length < (cap.perSecondAt(clock.nowMs - startMs) * windowMs) / 1000
    if (isAccepted) admitted.push(clock.nowMs)
    if (isSettled()) counts[isAccepted ? 'accepted' : 'refused'] += 1
    return isAccepted
  }
  for (let worker = 0; worker < options.workers; worker += 1) {
    let decreasedAtMs = 0
    let rate = limit.ratePerSecond
    // The permits of a worker lapse at its first refusal.
    let lapsed = 0
    const post = async (grantedAtMs: number, isProbe: boolean): Promise<void> => {
      if (grantedAtMs <= lapsed) return
      const isAccepted = admit()
      at(clock.nowMs + options.answerMs, async () => {
        if (isAccepted) {
          if (isProbe) await permits.endProbe(NEWS, grantedAtMs)
          return
        }
        lapsed = Math.max(lapsed, grantedAtMs)
        if (grantedAtMs <= decreasedAtMs) return
        const state = await permits.slowDown(NEWS, { grantedAtMs, retryAfterMs: cap.retryAfterMs }, limit)
        decreasedAtMs = state.decreasedAtMs
        rate = state.effectiveRate
      })
    }
    const ask = async (): Promise<void> => {
      const wanted = Math.max(1, Math.round((rate * GRANT_MS) / 1000))
      const refillMs = Math.min(GRANT_MS, (wanted * 1000) / rate) * REFILLED_SHARE
      const grant = await permits.take(NEWS, wanted, limit)
      rate = grant.effectiveRate
      for (let n = 0; n < grant.granted; n += 1) at(clock.nowMs + n * 0.2, () => post(grant.nowMs, grant.probe))
      at(clock.nowMs + (grant.granted > 0 ? Math.max(1, refillMs) : Math.min(1000, grant.waitMs)), ask)
    }
    at(startMs + worker, ask)
  }
  for (;;) {
    const event = events.pop()
    if (event === undefined || event.atMs >= endMs) break
    if (isSettled()) counts.allowed += (cap.perSecondAt(clock.nowMs - startMs) * (event.atMs - clock.nowMs)) / 1000
    clock.nowMs = event.atMs
    await event.act()
  }
  return {
    share: counts.accepted / counts.allowed,
    refusedShare: counts.refused / (counts.accepted + counts.refused),
  }
}
