import type { BatchRef, CampaignStore, Ledger } from '@wns-fanout/state'
import { nextOpening, waveAt } from '../campaign/local-waves.ts'
import type { PreparedCampaign } from './prepared-campaign.ts'

export interface SendWindowDeps {
  readonly ledger: Pick<Ledger, 'batches' | 'putOff'>
  readonly campaigns: Pick<CampaignStore, 'redisNowMs'>
}

/**
 * Put off a batch whose send window is closed. One that is in hand when the window closes ends within a minute.
 *
 * @returns milliseconds until the window opens; 0 where it is open, or where the campaign has none
 */
export async function putOffIfClosed(
  { ledger, campaigns }: SendWindowDeps,
  ref: BatchRef,
  { definition, windowed }: PreparedCampaign,
): Promise<number> {
  if (windowed === undefined) return 0
  const [batch] = await ledger.batches(ref, [ref.seq])
  const at = waveAt(windowed, batch?.fromPage ?? 0)
  // A worker that lost the batch may have posted to its recipients, so the next owner settles these at once.
  if (batch == null || at === undefined || batch.state === 'open') return 0
  const nowMs = await campaigns.redisNowMs()
  const opensAtMs = nextOpening(definition, at.wave, nowMs)
  if (opensAtMs <= nowMs) return 0
  await ledger.putOff(ref, opensAtMs)
  return opensAtMs - nowMs
}
