import type { RetryReason } from '@wns-fanout/domain'
import type { Checkpoint } from '@wns-fanout/state'
import { isTerminal } from '@wns-fanout/domain'
import type { Acknowledged, BatchEnd, ParkReason } from './types.ts'

/** Why a run starts no more posts: it will park, it lost the batch, or the campaign is in a final state. */
export type Stop = ParkReason | 'fenced' | 'final'

/** The longest wait that any recipient or the app asked for. */
export interface Wait {
  readonly delayMs: number
  /** The reason of a recipient; none where the app or the ledger asked. */
  readonly reason?: RetryReason | undefined
  /** WNS throttles the app. The remaining recipients got no post, so their guard stamps are cleared. */
  readonly isThrottled?: boolean | undefined
}

export const noWait: Wait = { delayMs: 0 }

/** The longer of two waits, throttled if either is. A wait without a reason keeps the reason of the other one. */
export function longerWait(wait: Wait, other: Wait): Wait {
  const isThrottled = wait.isThrottled === true || other.isThrottled === true
  const { delayMs, reason } =
    other.delayMs > wait.delayMs ? { delayMs: other.delayMs, reason: other.reason ?? wait.reason } : wait
  return { delayMs, reason, isThrottled }
}

/** Time until a batch asks again whether the replicas acknowledge. */
export const NO_REPLICA_MS = 2000
/** The shortest park of a batch whose recipients are all on hold. */
const MIN_HOLD_MS = 100
/** The park of a batch that nothing asked to wait. */
const DEFAULT_PARK_MS = 1000

/**
 * Milliseconds until a parked batch is due.
 *
 * @param heldForMs until the first hold of a recipient ends; undefined where no recipient is on hold
 */
export function parkDelayMs(stop: Stop | undefined, wait: Wait, heldForMs: number | undefined): number {
  if (stop === 'stopping' || stop === 'in-hand' || stop === 'paused') return 0
  if (wait.delayMs > 0) return wait.delayMs
  return heldForMs === undefined ? DEFAULT_PARK_MS : Math.max(heldForMs, MIN_HOLD_MS)
}

/** The reason that is reported for a parked batch. A pause of the campaign comes before everything else. */
export function parkReason(stop: Stop | undefined, wait: Wait, isPaused: boolean): ParkReason {
  if (isPaused) return 'paused'
  if (stop !== undefined && stop !== 'fenced' && stop !== 'final') return stop
  return wait.reason ?? 'held'
}

/** The end of a batch as its last checkpoint writes it, with the recipients whose stamp has to follow. */
export type Ending = Pick<Checkpoint, 'end' | 'changed'>

/**
 * The ending to write: closed when nothing is pending or the campaign has ended, else parked.
 *
 * @param changed recipients settled since the last checkpoint
 * @param pending recipients that are not settled
 */
export function endingOf(
  changed: readonly number[],
  pending: readonly number[],
  { stop, wait, parkUntilMs }: { stop: Stop | undefined; wait: Wait; parkUntilMs: number },
): Ending {
  if (pending.length === 0 || stop === 'final') return { end: 'close', changed }
  // A pause or a throttled app is no answer to the remaining recipients: the guard must not suppress them later.
  const clearStamps = stop === 'paused' || wait.isThrottled === true
  return { end: { parkUntilMs, clearStamps }, changed: clearStamps ? [...changed, ...pending] : changed }
}

/** The end of a run, after the ledger has acknowledged its last checkpoint. */
export function batchEnd(
  { state, batchClosed, campaignFinished, live, active, wakeAt, planPosition }: Acknowledged,
  { stop, wait, delayMs }: { stop: Stop | undefined; wait: Wait; delayMs: number },
): BatchEnd {
  const plan = { live, active, wakeAt, planPosition }
  if (!batchClosed) return { kind: 'parked', delayMs, reason: parkReason(stop, wait, state === 'paused'), plan }
  const leavesOthers = isTerminal(state) && state !== 'completed' && !campaignFinished
  return { kind: 'closed', leavesOthers, plan }
}
