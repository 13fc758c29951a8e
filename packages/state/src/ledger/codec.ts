import type { RecipientClass } from '@wns-fanout/domain'
import type { BatchRange, SettledCount } from './types.ts'

/** The reply of a script: a list whose first item names its kind. */
export type Reply = readonly unknown[]

/** The items of a reply in order; the head of each script lists the same. */
export const replies = {
  open: [
    'kind',
    'fence',
    'takeover',
    'nowMs',
    'expiresAtMs',
    'before',
    'vector',
    'ordinals',
    'channels',
    'variables',
    'heldUntilSecond',
    'uncertain',
    'window',
    'settled',
    'firstWindow',
  ],
  notDue: ['kind', 'dueAtMs'],
  checkpoint: [
    'kind',
    'state',
    'nowMs',
    'adjusted',
    'live',
    'planPosition',
    'campaignFinished',
    'batchClosed',
    'settled',
    'window',
    'rolledBack',
    'active',
    'wakeAt',
  ],
  fenced: ['kind', 'rolledBack'],
  merge: ['kind', 'settled'],
  plan: ['kind', 'firstSeq', 'live', 'campaignFinished', 'active'],
  planMoved: ['kind', 'cursor', 'live'],
  planStopped: ['kind', 'state'],
  sweep: ['state', 'closed', 'live', 'campaignFinished', 'damaged'],
  batch: ['range', 'dueAt', 'closed', 'closedAs', 'state', 'vector', 'notRemoved'],
  created: ['kind', 'state', 'startAtMs', 'expiresAtMs', 'superseded', 'slot'],
  notCreated: ['kind', 'admissibleAtMs', 'before'],
  launchWait: ['kind', 'startAtMs'],
  launchStopped: ['kind', 'state'],
  steered: ['kind', 'state'],
} as const satisfies Readonly<Record<string, readonly string[]>>

/** The items of a list by name. */
export function named<const Name extends string, Value>(
  values: readonly Value[],
  names: readonly Name[],
): Readonly<Record<Name, Value>> {
  return Object.fromEntries(names.map((name, at) => [name, values[at]])) as Record<Name, Value>
}

export function textOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value)
}

export function bytesOf(value: unknown): Uint8Array {
  return Uint8Array.from(value as Buffer)
}

/** Big endian. */
export function uint32sOf(packed: Uint8Array): Uint32Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength)
  return Uint32Array.from({ length: packed.byteLength / 4 }, (_, at) => view.getUint32(at * 4))
}

/** Rows of `width` 4-byte numbers, big endian. */
export function packRows<T>(items: readonly T[], width: number, rowOf: (item: T) => readonly number[]): Buffer {
  const packed = Buffer.alloc(items.length * width * 4)
  items.forEach((item, at) => {
    rowOf(item).forEach((value, column) => packed.writeUInt32BE(value, (at * width + column) * 4))
  })
  return packed
}

/** A view of the same memory. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** {class, count, …} */
export function settledCounts(value: unknown): SettledCount[] {
  const list = value as Reply
  return Array.from({ length: list.length / 2 }, (_, at) => ({
    class: textOf(list[at * 2]) as RecipientClass,
    count: Number(list[at * 2 + 1]),
  }))
}

/** {position from 1, byte, …} */
export function adjustments(value: unknown): { readonly position: number; readonly byte: number }[] {
  const list = value as readonly number[]
  return Array.from({ length: list.length / 2 }, (_, at) => ({
    position: (list[at * 2] ?? 0) - 1,
    byte: list[at * 2 + 1] ?? 0,
  }))
}

/** The field `range` of a batch. */
export function rangeText({ fromPage, toPage, recipients, before = 0, after = 0 }: BatchRange): string {
  return [fromPage, toPage, recipients, ...(before + after > 0 ? [before, after] : [])].join(',')
}
