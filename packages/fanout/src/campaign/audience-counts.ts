import type { AppId, Audience, Warning } from '@wns-fanout/domain'
import { evaluable } from './failed-of.ts'
import type { AudienceDeps } from './warnings.ts'
import { audienceWarnings, knownAudience } from './warnings.ts'

export interface AudienceCounts {
  /** Channels that would be recipients. */
  readonly size: number
  /** Channels of the audience that opted out. */
  readonly optedOut: number
  readonly warnings: readonly Warning[]
}

/** The size of an audience now, and what is odd about the audience. */
export async function audienceCounts(deps: AudienceDeps, app: AppId, audience: Audience): Promise<AudienceCounts> {
  const evaluated = await evaluable(deps, app, audience)
  const [known, everyone] = await Promise.all([
    knownAudience(deps, app, audience),
    deps.audiences.count(app, evaluated, { exceptOptOut: false }),
  ])
  const optedOut = Math.max(0, everyone.size - known.size)
  return { size: known.size, optedOut, warnings: audienceWarnings(audience, known) }
}
