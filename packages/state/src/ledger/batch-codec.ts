import { named, replies } from './codec.ts'
import type { GateChange, PlannedBatch, StoredBatch } from './types.ts'

/** A gate change as the checkpoint script takes it, except for the URI. */
export function gateRow({ ordinal, closeRawGate, holdUntilSecond, postedSecond }: GateChange): readonly number[] {
  return [ordinal, (closeRawGate ? 0x8000_0000 : 0) + holdUntilSecond, postedSecond]
}

/** A batch as the plan script takes it. */
export function plannedText({ fromPage, toPage, recipients, dueAtMs, before = 0, after = 0 }: PlannedBatch): string {
  return [fromPage, toPage, recipients, dueAtMs ?? '', ...(before + after > 0 ? [before, after] : [])].join(',')
}

/** A batch as the script `campaign-batches` answers it. */
export function storedBatch(seq: number, items: readonly (Buffer | null)[]): StoredBatch | null {
  const batch = named(items, replies.batch)
  if (batch.range == null) return null
  const [fromPage = 0, toPage = 0, recipients = 0, before = 0, after = 0] = batch.range
    .toString()
    .split(',')
    .map(Number)
  return {
    seq,
    fromPage,
    toPage,
    recipients,
    ...(before + after > 0 ? { before, after } : {}),
    dueAtMs: Number(batch.dueAt?.toString() ?? 0),
    closed: batch.closed != null,
    state: batch.state?.toString() ?? 'new',
    closedAs: batch.closedAs == null ? undefined : Number(batch.closedAs.toString()),
    vector: batch.vector == null ? null : Uint8Array.from(batch.vector),
    notRemoved: notRemovedIn(batch.notRemoved ?? Buffer.alloc(0)),
  }
}

/** The newest answer of each recipient. Positions are stored from 1. */
function notRemovedIn(packed: Buffer): Map<number, number> {
  const found = new Map<number, number>()
  for (let at = 0; at + 2 < packed.length; at += 3) found.set(packed.readUInt16BE(at) - 1, packed.readUInt8(at + 2))
  return found
}
