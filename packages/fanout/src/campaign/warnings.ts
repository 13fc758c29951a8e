import { closest, distance } from 'fastest-levenshtein'
import type { AppId, Audience, CampaignRequest, Warning } from '@wns-fanout/domain'
import { parseTagExpression, Problem, tagsIn, warningOf, warningsOf } from '@wns-fanout/domain'
import type { Audiences } from '@wns-fanout/state'

// What is odd about a campaign that is accepted all the same. Its owner learns it from the answer to the request.

/** What the registry knows about the audience of a request. */
export interface KnownAudience {
  /** Recipients that the audience has now. */
  readonly size: number
  /** Tags of the app. */
  readonly tags: readonly string[]
  readonly unknownChannels?: number | undefined
}

/** The warnings of a request, `known` being absent where the audience is not evaluated in advance. */
export function warningsFor({ notification, audience }: CampaignRequest, known: KnownAudience | undefined): Warning[] {
  return [
    ...warningsOf(notification).map((found) => warningOf(found, ['notification'])),
    ...(known === undefined ? [] : audienceWarnings(audience, known)),
  ]
}

/** The warnings of a request to create a campaign. The failed recipients of another campaign are not counted for it. */
export async function warningsInAdvance(
  audiences: Audiences,
  app: AppId,
  request: CampaignRequest,
): Promise<Warning[]> {
  const { audience } = request
  if ('failedOf' in audience) return warningsFor(request, undefined)
  const [counted, tags] = await Promise.all([
    // A list may be uploaded before a later start.
    audiences.count(app, audience).catch(undefinedIfMissing),
    'tags' in audience ? audiences.tags(app) : [],
  ])
  return warningsFor(request, counted && { ...counted, tags })
}

/** Warnings as the field of an answer, which has none without any. */
export function asField(warnings: Warning[]): { readonly warnings?: Warning[] } {
  return warnings.length === 0 ? {} : { warnings }
}

/** The warnings of an audience: tags that no channel has, and that it has no recipients. */
export function audienceWarnings(audience: Audience, { size, tags, unknownChannels = 0 }: KnownAudience): Warning[] {
  const warnings = 'tags' in audience ? tagWarnings(audience.tags, tags) : []
  if (size > 0) return warnings
  return [...warnings, { pointer: '/audience', code: 'empty-audience', detail: whyEmpty(unknownChannels) }]
}

function whyEmpty(unknownChannels: number): string {
  const reason = unknownChannels > 0 ? `${unknownChannels} of its channels are not registered` : 'no channel matches it'
  return `the audience has no recipients now: ${reason}, or all that match opted out`
}

function tagWarnings(expression: string, tags: readonly string[]): Warning[] {
  const parsed = parseTagExpression(expression)
  if (!parsed.ok) return []
  const known = new Set(tags)
  return [...tagsIn(parsed.expression)]
    .filter((tag) => !known.has(tag))
    .map((tag) => ({
      pointer: '/audience/tags',
      code: 'unknown-tag',
      detail: `no channel has the tag "${tag}"${hint(tag, tags)}`,
    }))
}

/** The longest edit distance at which a tag is still likely to be the one that was meant. */
const MAX_DISTANCE = 3

function hint(tag: string, tags: readonly string[]): string {
  if (tags.length === 0) return '; the channels of this app have no tags'
  const nearest = closest(tag, tags)
  return distance(tag, nearest) <= Math.min(MAX_DISTANCE, Math.ceil(tag.length / 2))
    ? `; did you mean "${nearest}"?`
    : '; check the tags of the channels'
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Problem && error.code === 'not-found') return undefined
  throw error
}
