import { Problem } from '@wns-fanout/domain'

export type Missing = 'app' | 'campaign' | 'channel' | 'import' | 'list' | 'schedule' | 'template' | 'webhook'

/** The object does not exist, or the caller may not see it; both look the same. */
export function notFound(kind: Missing, name: string): Problem {
  return new Problem('not-found', `there is no ${kind} "${name.slice(0, 128)}"`, { extra: { missing: kind } })
}
