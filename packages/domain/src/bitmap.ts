import type { Ordinal } from './ids.ts'
import { PAGE_SIZE } from './page.ts'

/** Bytes of a page in a bitmap over ordinals. As in Redis, the first bit is the highest one of the first byte. */
export const PAGE_BYTES = PAGE_SIZE / 8

const onesOf = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length)

/** Bits set in `bits[from, to)`, counted in bytes. */
export function popcount(bits: Uint8Array, from = 0, to = bits.length): number {
  let count = 0
  for (let at = from; at < to; at += 1) count += onesOf[bits[at] ?? 0] ?? 0
  return count
}

/** Ordinals of the bits set in `bits`, whose first bit is ordinal `first`, in order. */
export function* ordinalsIn(bits: Uint8Array, first: Ordinal): Generator<Ordinal> {
  for (let at = 0; at < bits.length; at += 1) {
    const byte = bits[at] ?? 0
    if (byte === 0) continue
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (0x80 >> bit)) !== 0) yield first + at * 8 + bit
  }
}

export function hasBit(bits: Uint8Array, offset: number): boolean {
  return ((bits[offset >> 3] ?? 0) & (0x80 >> (offset & 7))) !== 0
}

/** Set the bit at an offset from the first one. */
export function setBit(bits: Uint8Array, offset: number): void {
  const at = offset >> 3
  bits[at] = (bits[at] ?? 0) | (0x80 >> (offset & 7))
}
