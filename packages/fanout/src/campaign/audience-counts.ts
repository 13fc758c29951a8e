import type { AppId, Audience, Warning } from '@wns-fanout/domain'
import type { AudienceDeps } from './warnings.ts'
import { audienceWarnings, knownAudience } from './warnings.ts'

export interface AudienceCounts {
  /** Channels that would be recipients. */
  readonly size: number
  /** Channels of the audience that opted out in general. */
  readonly optedOut: number
  /** Others that opted out of the topic. */
  readonly optedOutOfTopic: number
  readonly warnings: readonly Warning[]
}

/** The size of an audience now for a campaign of the topic, or of any, and what is odd about the audience. */
export async function audienceCounts(
  deps: AudienceDeps,
  app: AppId,
  audience: Audience,
  topic?: string,
): Promise<AudienceCounts> {
  const known = await knownAudience(deps, app, audience, { topic })
  await deps.redis.unlink(known.key)
  const { size, optedOut = 0, optedOutOfTopic = 0 } = known
  return { size, optedOut, optedOutOfTopic, warnings: audienceWarnings(audience, known) }
}
