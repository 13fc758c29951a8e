const FIRST_SLOTS = 1 << 12
const WORDS = 3

/**
 * Remembers which channel brought a URI first, by hashes of 64 and 32 bits, in 12 bytes a URI. Memory is bounded: past
 * about three million different URIs (48 MB) new ones are not remembered any more, so the count of shared ones is then
 * a lower bound.
 */
export class SharedUris {
  readonly #maxSlots: number
  // Open addressing; a slot is empty while its first two words are 0.
  #slots = FIRST_SLOTS
  #table = new Uint32Array(FIRST_SLOTS * WORDS)
  #used = 0

  constructor(maxSlots: number = 1 << 22) {
    this.#maxSlots = maxSlots
  }

  /** Did another channel bring this URI before? Remembers it otherwise. */
  isShared(uri: string, channel: string): boolean {
    const first = hash(uri, 0x811c9dc5) || 1
    const second = hash(uri, 0x9747b28c)
    const owner = hash(channel, 0x811c9dc5)
    const at = this.#find(first, second)
    if (this.#table[at] !== 0) return this.#table[at + 2] !== owner
    if (this.#used * 4 >= this.#slots * 3 && !this.#grow()) return false
    this.#put(first, second, owner)
    return false
  }

  #find(first: number, second: number): number {
    let slot = second & (this.#slots - 1)
    for (;;) {
      const at = slot * WORDS
      if (this.#table[at] === 0 || (this.#table[at] === first && this.#table[at + 1] === second)) return at
      slot = (slot + 1) & (this.#slots - 1)
    }
  }

  #put(first: number, second: number, owner: number): void {
    this.#table.set([first, second, owner], this.#find(first, second))
    this.#used += 1
  }

  #grow(): boolean {
    if (this.#slots >= this.#maxSlots) return false
    const old = this.#table
    this.#slots *= 2
    this.#table = new Uint32Array(this.#slots * WORDS)
    this.#used = 0
    for (let at = 0; at < old.length; at += WORDS) {
      const [first = 0, second = 0, owner = 0] = old.subarray(at, at + WORDS)
      if (first !== 0) this.#put(first, second, owner)
    }
    return true
  }
}

/** FNV-1a over UTF-16 units with a final mix, 32 bits. */
function hash(text: string, seed: number): number {
  let state = seed
  for (let at = 0; at < text.length; at += 1) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}
