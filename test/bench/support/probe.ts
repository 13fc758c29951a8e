import { setTimeout as wait } from 'node:timers/promises'
import type { Client } from '@wns-fanout/client'

const EVERY_MS = 10

export interface Probe {
  /** Ends the probe, at the earliest after `atLeastMs`; resolves to the 99th percentile of its calls in ms. */
  stop(atLeastMs?: number): Promise<number>
}

/** Calls a cheap route of the API again and again, as another tenant would, until it is stopped. */
export async function startProbe(api: Client): Promise<Probe> {
  const durationsMs: number[] = []
  const state = { isStopped: false }
  const calls = (async () => {
    while (!state.isStopped) {
      const startedMs = performance.now()
      await Array.fromAsync(api.apps())
      durationsMs.push(performance.now() - startedMs)
      await wait(EVERY_MS)
    }
  })()
  return {
    async stop(atLeastMs = 0) {
      await wait(atLeastMs)
      state.isStopped = true
      await calls
      const sorted = durationsMs.toSorted((one, other) => one - other)
      return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
    },
  }
}
