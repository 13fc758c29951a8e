import { BodyChains, fingerprintOf } from './body-chains.ts'
import { hashOf } from './hash.ts'

const PAGE_BITS = 12
const PAGE_ROWS = 1 << PAGE_BITS
const SEGMENTS = 256
const FIRST_SLOTS = 16
const ARENA_BYTES = 1 << 20
/** Token positions are stored in units of four bytes, so that 32 bits reach 16 GiB. */
const ARENA_UNIT = 4
const ARENA_UNITS = ARENA_BYTES / ARENA_UNIT
const LENGTH_BYTES = 2

/** 4,096 channels, one column per fact, 52 bytes per channel. Times are milliseconds since the start. */
class Page {
  readonly hash = new Uint32Array(PAGE_ROWS)
  readonly tokenAt = new Uint32Array(PAGE_ROWS)
  readonly posts = new Uint32Array(PAGE_ROWS)
  readonly reached = new Uint32Array(PAGE_ROWS)
  readonly accepted = new Uint32Array(PAGE_ROWS)
  readonly unanswered = new Uint32Array(PAGE_ROWS)
  readonly firstAtMs = new Uint32Array(PAGE_ROWS)
  readonly lastAtMs = new Uint32Array(PAGE_ROWS)
  readonly acceptedAtMs = new Uint32Array(PAGE_ROWS)
  readonly minGapMs = new Uint32Array(PAGE_ROWS)
  /** Number of the newest body in the chain, 0 for none. */
  readonly body = new Uint32Array(PAGE_ROWS)
  readonly status = new Uint16Array(PAGE_ROWS)
  readonly outcome = new Uint16Array(PAGE_ROWS)
  /** Client index + 1; 0 for an unknown client. */
  readonly client = new Uint16Array(PAGE_ROWS)
  readonly wnsStatus = new Uint8Array(PAGE_ROWS)
}

/** The effect of a post on its channel. `wnsStatus`, `outcome` and `client` are small numbers of the caller. */
export interface Entry {
  readonly status: number
  readonly wnsStatus: number
  readonly outcome: number
  /** -1 for an unknown bearer token. */
  readonly client: number
  readonly accepted: boolean
  /** Whether the sender got no complete answer. */
  readonly unanswered: boolean
}

/** The record of a channel; instants are milliseconds since the start. */
export interface ChannelRow extends Omit<Entry, 'unanswered'> {
  readonly token: string
  readonly posts: number
  readonly acceptedPosts: number
  readonly unansweredPosts: number
  readonly firstAtMs: number
  readonly lastAtMs: number
  /** undefined before the second accepted post. */
  readonly minAcceptedGapMs: number | undefined
}

/**
 * Every channel that was ever posted to, at about 75 bytes plus its token, outside the JavaScript heap: ten million
 * strings and objects there would stop the simulator for seconds at each major collection. Rows are found by an open
 * hash in 256 segments that grow one by one, so that no single post pays for rehashing everything.
 */
export class ChannelBook {
  #pages: Page[] = []
  #segments: Uint32Array[] = []
  #filled = new Uint32Array(SEGMENTS)
  #arenas: Buffer[] = []
  #arenaAt = ARENA_BYTES
  #bodies = new BodyChains()
  #size = 0

  constructor() {
    this.#clearSegments()
  }

  /** Channels so far; rows are numbered from 0. */
  get size(): number {
    return this.#size
  }

  /** The row of a token, created on first use (`size` then grows). Tokens have at most 65,535 Latin-1 characters. */
  row(token: string): number {
    const hash = hashOf(token)
    const segment = hash >>> 24
    const slots = this.#segments[segment]!
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot]!
      if (found === 0) {
        const row = this.#append(token, hash)
        slots[slot] = row + 1
        const filled = this.#filled[segment]! + 1
        this.#filled[segment] = filled
        if (filled * 4 > slots.length * 3) this.#grow(segment)
        return row
      }
      if (this.#isRowOf(found - 1, hash, token)) return found - 1
    }
  }

  /** Counts a post that reached the device; returns its number, from 1. */
  reach(row: number): number {
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    return (page.reached[at] = page.reached[at]! + 1)
  }

  /** The outcome number of the last answer, or undefined before the first. */
  lastOutcome(row: number): number | undefined {
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    return page.posts[at] === 0 ? undefined : page.outcome[at]
  }

  acceptedPosts(row: number): number {
    return this.#page(row).accepted[row & (PAGE_ROWS - 1)]!
  }

  /** Records a post; returns whether the channel had accepted the same body before. */
  note(row: number, entry: Entry, body: Buffer, nowMs: number): boolean {
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    if (page.posts[at] === 0) page.firstAtMs[at] = nowMs
    page.posts[at] = page.posts[at]! + 1
    page.lastAtMs[at] = nowMs
    page.status[at] = entry.status
    page.wnsStatus[at] = entry.wnsStatus
    page.outcome[at] = entry.outcome
    page.client[at] = entry.client + 1
    if (entry.unanswered) page.unanswered[at] = page.unanswered[at]! + 1
    if (!entry.accepted) return false

    const before = page.accepted[at]!
    if (before > 0) {
      const gapMs = Math.floor(nowMs) - page.acceptedAtMs[at]!
      page.minGapMs[at] = before === 1 ? gapMs : Math.min(gapMs, page.minGapMs[at]!)
    }
    page.accepted[at] = before + 1
    page.acceptedAtMs[at] = nowMs
    const chain = page.body[at]!
    const fingerprint = fingerprintOf(body)
    if (this.#bodies.has(chain, fingerprint)) return true
    page.body[at] = this.#bodies.add(chain, fingerprint)
    return false
  }

  read(row: number): ChannelRow {
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    const accepted = page.accepted[at]!
    return {
      token: this.#token(page.tokenAt[at]!),
      posts: page.posts[at]!,
      acceptedPosts: accepted,
      unansweredPosts: page.unanswered[at]!,
      accepted: accepted > 0,
      status: page.status[at]!,
      wnsStatus: page.wnsStatus[at]!,
      outcome: page.outcome[at]!,
      client: page.client[at]! - 1,
      firstAtMs: page.firstAtMs[at]!,
      lastAtMs: page.lastAtMs[at]!,
      minAcceptedGapMs: accepted > 1 ? page.minGapMs[at] : undefined,
    }
  }

  clear(): void {
    this.#pages = []
    this.#arenas = []
    this.#arenaAt = ARENA_BYTES
    this.#bodies = new BodyChains()
    this.#size = 0
    this.#clearSegments()
  }

  #clearSegments(): void {
    this.#segments = Array.from({ length: SEGMENTS }, () => new Uint32Array(FIRST_SLOTS))
    this.#filled = new Uint32Array(SEGMENTS)
  }

  #page(row: number): Page {
    return this.#pages[row >>> PAGE_BITS]!
  }

  #append(token: string, hash: number): number {
    const row = this.#size
    this.#size += 1
    if ((row & (PAGE_ROWS - 1)) === 0) this.#pages.push(new Page())
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    page.hash[at] = hash
    page.tokenAt[at] = this.#store(token)
    return row
  }

  #store(token: string): number {
    if (this.#arenaAt + LENGTH_BYTES + token.length > ARENA_BYTES) {
      this.#arenas.push(Buffer.allocUnsafeSlow(ARENA_BYTES))
      this.#arenaAt = 0
    }
    const arena = this.#arenas.at(-1)!
    const at = this.#arenaAt
    arena.writeUInt16LE(token.length, at)
    arena.write(token, at + LENGTH_BYTES, 'latin1')
    this.#arenaAt = Math.ceil((at + LENGTH_BYTES + token.length) / ARENA_UNIT) * ARENA_UNIT
    return (this.#arenas.length - 1) * ARENA_UNITS + at / ARENA_UNIT
  }

  #token(tokenAt: number): string {
    const arena = this.#arenas[Math.floor(tokenAt / ARENA_UNITS)]!
    const at = (tokenAt % ARENA_UNITS) * ARENA_UNIT
    return arena.toString('latin1', at + LENGTH_BYTES, at + LENGTH_BYTES + arena.readUInt16LE(at))
  }

  #isRowOf(row: number, hash: number, token: string): boolean {
    const page = this.#page(row)
    const at = row & (PAGE_ROWS - 1)
    if (page.hash[at] !== hash) return false
    const tokenAt = page.tokenAt[at]!
    const arena = this.#arenas[Math.floor(tokenAt / ARENA_UNITS)]!
    const start = (tokenAt % ARENA_UNITS) * ARENA_UNIT
    if (arena.readUInt16LE(start) !== token.length) return false
    for (let index = 0; index < token.length; index += 1) {
      if (arena[start + LENGTH_BYTES + index] !== token.charCodeAt(index)) return false
    }
    return true
  }

  #grow(segment: number): void {
    const before = this.#segments[segment]!
    const slots = new Uint32Array(before.length * 2)
    const mask = slots.length - 1
    for (const found of before) {
      if (found === 0) continue
      const row = found - 1
      let slot = this.#page(row).hash[row & (PAGE_ROWS - 1)]! & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = found
    }
    this.#segments[segment] = slots
  }
}
