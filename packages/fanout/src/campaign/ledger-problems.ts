import type { CampaignId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerVersion } from '@wns-fanout/state'

/**
 * Run `read` and turn an error about the campaign's ledger into a Problem `unavailable`. It passes: a worker halts a
 * campaign with a damaged ledger within a minute, and a worker of another version serves its own campaigns.
 */
export async function translateLedgerErrors<T>(id: CampaignId, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof LedgerDamaged) throw unavailable(id, 'its ledger is damaged and being repaired', error)
    if (error instanceof LedgerVersion) throw unavailable(id, 'another version of wns-fanout wrote its ledger', error)
    throw error
  }
}

/** For lists and counts, which leave out what is unavailable. Rethrows every other error. */
export function nullIfUnavailable(error: unknown): null {
  if (error instanceof Problem && error.code === 'unavailable') return null
  throw error
}

function unavailable(id: CampaignId, why: string, cause: Error): Problem {
  return new Problem('unavailable', `campaign ${id} is temporarily unavailable: ${why}`, { cause })
}
