/** Which share of an audience, chosen by `seed`: the same seed always chooses the same channels. */
export interface Sample {
  /** Above 0, at most 1. */
  readonly share: number
  readonly seed: string | number
}

/**
 * Clear the bits of recipients outside of the sample, in place. Whether an ordinal is in depends on ordinal and seed
 * alone, so a larger share with the same seed contains the smaller one.
 * @param firstOrdinal the ordinal of the first bit, a multiple of 8
 * @returns how many bits are left
 */
export function thinOut(bitmap: Buffer, firstOrdinal: number, { share, seed }: Sample): number {
  const seedHash = hashText(String(seed))
  const limit = Math.round(share * 2 ** 32)
  let left = 0
  for (let at = 0; at < bitmap.length; at += 1) {
    const byte = bitmap[at] ?? 0
    if (byte === 0) continue
    let kept = 0
    for (let bit = 0; bit < 8; bit += 1) {
      // Redis counts bits from the highest of a byte.
      const mask = 0x80 >> bit
      if ((byte & mask) === 0 || mix(firstOrdinal + at * 8 + bit, seedHash) >= limit) continue
      kept |= mask
      left += 1
    }
    bitmap[at] = kept
  }
  return left
}

/** Two rounds of a 32-bit mixer (the finaliser of MurmurHash 3) over ordinal and seed. */
function mix(ordinal: number, seed: number): number {
  let state = (ordinal ^ seed) >>> 0
  for (let round = 0; round < 2; round += 1) {
    state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
    state = (state ^ (state >>> 16) ^ Math.imul(seed, 0x9e3779b1)) >>> 0
  }
  return state
}

function hashText(text: string): number {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(text, 'utf8')) state = Math.imul(state ^ byte, 0x01000193)
  return state >>> 0
}
