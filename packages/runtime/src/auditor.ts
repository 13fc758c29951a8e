import type { AuditEntry, AuditFacts, AuditTrailName } from '@wns-fanout/domain'
import { visibleText } from '@wns-fanout/domain'
import { redactText } from './redaction.ts'

export interface AuditorOptions {
  /** Stores an entry in its trail; rejects if it could not. */
  readonly append: (trail: AuditTrailName, facts: AuditFacts) => Promise<AuditEntry>
  /** Writes a line for log shippers. */
  readonly write: (line: string) => void
  /** Is a line written for each entry? Those that could not be stored are written in any case. */
  readonly isShipped: boolean
  /** Called when an entry could not be stored. */
  readonly onUnstored: (error: unknown) => void
}

export interface Auditor {
  /**
   * Record an operation that ended. Never rejects: the operation was done, and refusing its answer would only hide
   * that. An entry that Redis does not store becomes a line with `"stored":false`.
   */
  record(trail: AuditTrailName, facts: AuditFacts): Promise<void>
}

export function createAuditor({ append, write, isShipped, onUnstored }: AuditorOptions): Auditor {
  return {
    async record(trail, facts) {
      const clean = withoutSecrets(facts)
      try {
        const entry = await append(trail, clean)
        if (isShipped) write(lineOf({ audit: entry }))
      } catch (error) {
        write(lineOf({ audit: { trail, ...clean }, stored: false }))
        onUnstored(error)
      }
    },
  }
}

/** A name in a path may be any text that was pasted there. */
function withoutSecrets(facts: AuditFacts): AuditFacts {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [name, typeof value === 'string' ? redactText(value) : value]),
  ) as AuditFacts
}

function lineOf(value: object): string {
  return visibleText(JSON.stringify(value))
}
