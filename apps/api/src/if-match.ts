import { Problem } from '@wns-fanout/domain'
import type { IfMatch } from '@wns-fanout/state'
import * as z from 'zod'

export const ifMatchHeader = z.object({
  'if-match': z.string().max(1000).optional().meta({
    description: 'The `ETag` of the app as it was read: 412 if it was changed since. `*` for any app that exists.',
  }),
})

/** The entity tags of an `If-Match` header. Throws the Problem `invalid` for a header that holds none. */
export function tagsIn(header: string | undefined): IfMatch | undefined {
  if (header === undefined) return undefined
  if (header.trim() === '*') return '*'
  if (!/^\s*(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*\s*$/.test(header))
    throw new Problem('invalid', 'If-Match must be the ETag of an earlier answer, with its quotation marks, or *')
  // A weak tag matches nothing here: RFC 9110 wants a strong comparison.
  return [...header.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, tag]) =>
    weak === undefined && tag !== undefined ? [tag] : [],
  )
}
