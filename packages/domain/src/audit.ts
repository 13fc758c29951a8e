import { createHash } from 'node:crypto'
import * as z from 'zod'

/**
 * Two trails, so that the registrations of millions of devices do not push decisions out: `control` has everything but
 * changes of single channels, which `devices` has.
 */
export const auditTrails = ['control', 'devices'] as const
export type AuditTrailName = (typeof auditTrails)[number]

/**
 * `done`; `started`, whose answer is a stream that follows; `refused` because of the request (4xx); or `failed` (5xx):
 * then part of it may have been done.
 */
export const auditOutcomes = ['done', 'started', 'refused', 'failed'] as const

const digest = z.string().regex(/^[0-9a-f]{64}$/)

/** What one operation leaves behind: names, numbers and digests, but no payload, no URI and no secret. */
export const auditFactsSchema = z.object({
  time: z.iso.datetime(),
  actor: z.string().meta({ description: 'The id of the API key; `bootstrap`, `operator` or `schedule` without one.' }),
  source: z.string().optional().meta({ description: 'The address that the request came from.' }),
  action: z.string().meta({ description: 'For example `campaign.create`.' }),
  app: z.string().optional(),
  object: z.string().optional().meta({ description: 'The campaign, schedule, key, channel, … that it was about.' }),
  before: digest.optional().meta({ description: 'SHA-256 of the stored record before; absent if there was none.' }),
  after: digest.optional().meta({ description: 'SHA-256 of the stored record afterwards; absent if there is none.' }),
  recipients: z.number().int().optional(),
  outcome: z.enum(auditOutcomes),
  status: z.number().int().optional().meta({ description: 'The HTTP status of the answer.' }),
  requestId: z.string().optional(),
})
export type AuditFacts = Readonly<z.infer<typeof auditFactsSchema>>

/** An entry of a trail. `previous` is the hash of the entry before it, so that none can be changed or left out. */
export const auditEntrySchema = z
  .object({
    id: z.string().meta({ description: 'Give it as `after` to continue behind this entry.' }),
    hash: digest.meta({ description: 'SHA-256 over `previous`, a line feed, and the line without `id` and `hash`.' }),
    trail: z.enum(auditTrails),
    seq: z.number().int().meta({ description: 'Counts the entries of the trail from 1.' }),
    previous: digest,
    ...auditFactsSchema.shape,
  })
  .meta({ id: 'AuditEntry' })
export type AuditEntry = Readonly<z.infer<typeof auditEntrySchema>>

/** The text that an entry is hashed over and stored as. */
export type AuditLink = Omit<AuditEntry, 'id' | 'hash'>

/** `previous` of the first entry of a trail. */
export const AUDIT_START = '0'.repeat(64)

/** The hash of the entry whose text, as stored, is `text`. */
export function auditHash(previous: string, text: string): string {
  return createHash('sha256').update(`${previous}\n${text}`, 'utf8').digest('hex')
}

/** An entry that does not follow from the one before it. */
export interface AuditBreak {
  readonly seq: number
  readonly problem: string
}

/** Recomputes the chain of the entries of one trail, given in their order. */
export class AuditChecker {
  #last: { readonly hash: string; readonly seq: number } | undefined
  #first: number | undefined
  #count = 0
  readonly #breaks: AuditBreak[] = []

  add(entry: AuditEntry): void {
    const { id: _, hash, ...link } = entry
    const problem = this.#problemOf(hash, link)
    if (problem !== undefined) this.#breaks.push({ seq: link.seq, problem })
    this.#first ??= link.seq
    this.#last = { hash, seq: link.seq }
    this.#count += 1
  }

  /** Entries seen, the numbers of the first and the last one, the hash of the last one, and what is wrong. */
  result() {
    return {
      count: this.#count,
      first: this.#first,
      last: this.#last?.seq,
      head: this.#last?.hash,
      breaks: this.#breaks,
    }
  }

  #problemOf(hash: string, link: AuditLink): string | undefined {
    if (auditHash(link.previous, JSON.stringify(link)) !== hash) return 'its text does not match its hash'
    const before = this.#last
    if (before === undefined) return undefined
    if (link.seq !== before.seq + 1) return `it follows the entry ${before.seq}; entries between them are missing`
    return link.previous === before.hash ? undefined : `it does not continue from the entry ${before.seq}`
  }
}
