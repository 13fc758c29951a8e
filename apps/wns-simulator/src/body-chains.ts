import { crc32 } from 'node:zlib'

const PAGE_BITS = 12
const PAGE_ROWS = 1 << PAGE_BITS

/** 32 bits: two bodies of one channel collide with a probability of one in four billion. */
export function fingerprintOf(body: Buffer): number {
  return (crc32(body) ^ Math.imul(body.length, 0x9e3779b1)) >>> 0
}

/** The fingerprints of the bodies each channel accepted, as chains in one growing pool: 8 bytes per body. */
export class BodyChains {
  readonly #pages: Uint32Array[] = []
  #count = 0

  has(chain: number, fingerprint: number): boolean {
    for (let link = chain; link !== 0; link = this.#cell(link, 1)) if (this.#cell(link, 0) === fingerprint) return true
    return false
  }

  /** Puts a body before a chain; returns the new chain. */
  add(chain: number, fingerprint: number): number {
    if (this.#count % PAGE_ROWS === 0) this.#pages.push(new Uint32Array(2 * PAGE_ROWS))
    const page = this.#pages.at(-1)!
    const at = 2 * (this.#count % PAGE_ROWS)
    page[at] = fingerprint
    page[at + 1] = chain
    this.#count += 1
    return this.#count
  }

  #cell(link: number, offset: 0 | 1): number {
    const index = link - 1
    return this.#pages[index >>> PAGE_BITS]![2 * (index & (PAGE_ROWS - 1)) + offset]!
  }
}
