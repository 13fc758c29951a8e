import type { AuditEntry, AuditFacts, AuditLink, AuditTrailName } from '@wns-fanout/domain'
import { AUDIT_START, auditHash } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const appendScript = loadScript('audit-append')

/** Entries of one call, so that the script ends quickly. */
const APPENDED_AT_ONCE = 100
/** Other processes append too; one that always loses the race gives up after this many tries. */
const MAX_TRIES = 200
/** Beyond this many, memory would grow while Redis is slow. */
const MAX_WAITING = 10_000
const READ_AT_ONCE = 500
const DAY_MS = 86_400_000

export interface AuditTrailOptions {
  readonly maxEntries: number
  readonly maxDays: number
  /** How long `append` waits for Redis, in milliseconds; default 2000. */
  readonly patienceMs?: number
}

export interface AuditPage {
  /** Only entries behind this one. */
  readonly after?: string | undefined
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  /** Newest first instead of oldest first. */
  readonly newestFirst?: boolean | undefined
}

interface Waiting {
  readonly facts: AuditFacts
  readonly resolve: (entry: AuditEntry) => void
  readonly reject: (error: unknown) => void
}

interface Head {
  readonly hash: string
  readonly seq: number
}

/**
 * An append-only trail in Redis, whose entries form a chain of hashes. Each process computes the hashes of its own
 * entries and appends them only behind the entry that they continue from; if another process was faster, it computes
 * them again. So the chain is one chain for all processes, in the order of the stream.
 */
export class AuditTrail {
  readonly #redis: RedisConnection
  readonly #key: string
  readonly #name: AuditTrailName
  readonly #options: Required<AuditTrailOptions>
  #waiting: Waiting[] = []
  #head: Head = { hash: AUDIT_START, seq: 0 }
  #working = false

  constructor(redis: RedisConnection, keys: Keys, name: AuditTrailName, options: AuditTrailOptions) {
    this.#redis = redis
    this.#key = keys.auditTrail(name)
    this.#name = name
    this.#options = { patienceMs: 2000, ...options }
  }

  /** The stored entry. Rejects if Redis refuses it, or does not answer in time; it may be stored all the same then. */
  async append(facts: AuditFacts): Promise<AuditEntry> {
    if (this.#waiting.length >= MAX_WAITING) throw new Error('Redis stores audit entries too slowly')
    const { promise, resolve, reject } = Promise.withResolvers<AuditEntry>()
    const timer = setTimeout(
      () => reject(new Error(`Redis did not store the audit entry within ${this.#options.patienceMs} ms`)),
      this.#options.patienceMs,
    )
    this.#waiting.push({ facts, resolve, reject })
    if (!this.#working) void this.#work()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** The entries in their order, read a part at a time. */
  async *read({ after, fromMs, toMs, newestFirst = false }: AuditPage = {}): AsyncGenerator<AuditEntry> {
    const oldest = fromMs === undefined ? '-' : String(fromMs)
    const newest = toMs === undefined ? '+' : String(toMs)
    let [first, last] = newestFirst ? [newest, oldest] : [oldest, newest]
    if (after !== undefined) first = `(${after}`
    for (;;) {
      const found = newestFirst
        ? await this.#redis.xrevrange(this.#key, first, last, 'COUNT', READ_AT_ONCE)
        : await this.#redis.xrange(this.#key, first, last, 'COUNT', READ_AT_ONCE)
      for (const [id, fields] of found) yield entryOf(id, fields)
      const end = found.at(-1)
      if (end === undefined || found.length < READ_AT_ONCE) return
      first = `(${end[0]}`
      last = newestFirst ? oldest : newest
    }
  }

  /** Batches of entries, one after the other. Never rejects. */
  async #work(): Promise<void> {
    this.#working = true
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, APPENDED_AT_ONCE)
      try {
        const entries = await this.#append(batch.map(({ facts }) => facts))
        for (const [at, entry] of entries.entries()) batch[at]?.resolve(entry)
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#working = false
  }

  async #append(batch: readonly AuditFacts[]): Promise<readonly AuditEntry[]> {
    const { maxEntries, maxDays } = this.#options
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const links = chainOf(this.#name, this.#head, batch)
      const reply = (await appendScript.run(
        this.#redis,
        [this.#key],
        [this.#head.hash, maxEntries, maxDays * DAY_MS, ...links.flatMap(({ seq, text, hash }) => [seq, text, hash])],
      )) as readonly (string | number)[]
      const [appended, ...rest] = reply
      const end = links.at(-1)
      if (appended === 1) {
        if (end !== undefined) this.#head = end
        return links.map(({ link, hash }, at) => ({ id: String(rest[at]), hash, ...link }))
      }
      this.#head = { hash: String(rest[0]), seq: Number(rest[1]) }
      // The answer to this very call was lost with its connection, and the call was sent again.
      if (end !== undefined && this.#head.hash === end.hash) return await this.#lastEntries(links.length)
    }
    throw new Error('other processes append to the audit trail all the time')
  }

  async #lastEntries(count: number): Promise<readonly AuditEntry[]> {
    const found = await this.#redis.xrevrange(this.#key, '+', '-', 'COUNT', count)
    return found.toReversed().map(([id, fields]) => entryOf(id, fields))
  }
}

interface ChainLink extends Head {
  readonly text: string
  readonly link: AuditLink
}

function chainOf(trail: AuditTrailName, head: Head, batch: readonly AuditFacts[]): readonly ChainLink[] {
  const links: ChainLink[] = []
  let last = head
  for (const facts of batch) {
    const link: AuditLink = { trail, seq: last.seq + 1, previous: last.hash, ...facts }
    const text = JSON.stringify(link)
    const next = { link, text, seq: link.seq, hash: auditHash(last.hash, text) }
    links.push(next)
    last = next
  }
  return links
}

function entryOf(id: string, fields: readonly string[]): AuditEntry {
  const named = new Map<string, string>()
  for (let at = 0; at < fields.length; at += 2) named.set(fields[at] ?? '', fields[at + 1] ?? '')
  // An entry that was tampered with must be shown, not end the answer.
  return { id, hash: named.get('h') ?? '', ...linkOf(named.get('e') ?? '') }
}

function linkOf(text: string): AuditLink {
  try {
    return JSON.parse(text) as AuditLink
  } catch {
    return { ...unreadable }
  }
}

const unreadable: AuditLink = {
  trail: 'control',
  seq: 0,
  previous: AUDIT_START,
  time: new Date(0).toISOString(),
  actor: '',
  action: 'unreadable',
  outcome: 'failed',
}
