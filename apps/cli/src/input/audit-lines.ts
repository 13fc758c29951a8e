import { createInterface } from 'node:readline'
import type { AuditEntry, AuditTrailName } from '@wns-fanout/domain'
import { auditEntrySchema } from '@wns-fanout/domain'
import { UsageError } from '../failure.ts'
import { openSource } from './read.ts'

/**
 * The entries of a trail in a file: lines of an export, or the lines `{"audit": …}` of the stdout of a process among
 * others. Entries that Redis did not store have no place in the chain and are left out.
 */
export async function* auditLines(file: string, trail: AuditTrailName): AsyncGenerator<AuditEntry> {
  const { name, stream } = await openSource(file)
  let number = 0
  for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
    number += 1
    const entry = entryIn(line)
    if (entry === 'malformed') throw new UsageError(`${name}, line ${number}: no entry of an audit log`)
    if (entry !== undefined && entry.trail === trail) yield entry
  }
}

function entryIn(line: string): AuditEntry | 'malformed' | undefined {
  if (line.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return 'malformed'
  }
  if (typeof value !== 'object' || value === null) return 'malformed'
  const isShipped = 'audit' in value
  const entry: unknown = 'audit' in value ? value.audit : value
  if (auditEntrySchema.safeParse(entry).success) return entry as AuditEntry
  // The ready line of a process, and what was not stored.
  return isShipped || 'ready' in value ? undefined : 'malformed'
}
