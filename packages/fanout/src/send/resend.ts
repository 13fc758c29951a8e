import type { FanoutEvent } from '@wns-fanout/domain'
import { LedgerDamaged, LedgerRefused, LedgerVersion } from '@wns-fanout/state'
import { sleep } from '../sleep.ts'

const TRIES = 5
const FIRST_PAUSE_MS = 400

/**
 * Send an idempotent call to the ledger, and send it again when Redis fails, so that a short failure does not cost a
 * batch its owner. An answer of the ledger itself, such as a refusal, is final.
 */
export async function resend<T>(
  operation: string,
  emit: (event: FanoutEvent) => void,
  send: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send()
    } catch (error) {
      if (isFinal(error) || attempt === TRIES) throw error
      emit({ type: 'operation.failed', operation, error })
      await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1))
    }
  }
}

/** The ledger itself answered with this error, so that sending the call again changes nothing. */
export function isFinal(error: unknown): boolean {
  return error instanceof LedgerDamaged || error instanceof LedgerVersion || error instanceof LedgerRefused
}
