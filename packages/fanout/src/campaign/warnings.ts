import type { AppId, Audience, CampaignRequest, Warning } from '@wns-fanout/domain'
import { nearest, parseTagExpression, Problem, tagsIn, warningOf, warningsOf } from '@wns-fanout/domain'
import type { Audiences, Evaluated, FreezeOptions } from '@wns-fanout/state'
import { topicOf } from './definition.ts'
import type { FailedOfDeps } from './failed-of.ts'
import { evaluable } from './failed-of.ts'
import { missingWarnings } from './missing.ts'

const EMPTY = 'empty-audience'

// What is odd about a campaign that is accepted all the same. Its owner learns it from the answer to the request.

export type AudienceDeps = FailedOfDeps & { readonly audiences: Audiences }

/** What the registry knows about the audience of a request. */
export interface KnownAudience {
  /** Recipients that the audience has now. */
  readonly size: number
  /** Channels that match, opted out or not. */
  readonly matching?: number | undefined
  /** Recipients without the sample. */
  readonly beforeSample?: number | undefined
  /** Tags of the app. */
  readonly tags: readonly string[]
  readonly unknownChannels?: number | undefined
  readonly optedOut?: number | undefined
  readonly optedOutOfTopic?: number | undefined
}

/** The same, with the bitmap of the audience at `key`. */
export type EvaluatedAudience = KnownAudience & Evaluated

/** The warnings of a request, `known` being absent where the audience is not evaluated in advance. */
export function warningsFor(request: CampaignRequest, known: KnownAudience | undefined): Warning[] {
  const { notification, audience } = request
  return [
    ...warningsOf(notification).map((found) => warningOf(found, ['notification'])),
    ...missingWarnings(request),
    ...(known === undefined ? [] : audienceWarnings(audience, known)),
  ]
}

/** What the registry knows about the audience of a request; undefined where it cannot be evaluated yet. */
export async function knownInAdvance(
  deps: AudienceDeps,
  app: AppId,
  request: CampaignRequest,
): Promise<EvaluatedAudience | undefined> {
  // Before a later start a list may be uploaded, and the campaign of `failedOf` may finish.
  return knownAudience(deps, app, request.audience, {
    sample: request.sample,
    topic: topicOf(request),
  }).catch(undefinedIfMissing)
}

/**
 * What the registry knows about an audience, by evaluating it once. The caller removes its `key`. Throws the Problem
 * `not-found` for a list or campaign that is missing.
 */
export async function knownAudience(
  deps: AudienceDeps,
  app: AppId,
  audience: Audience,
  options: Pick<FreezeOptions, 'sample' | 'topic'> = {},
): Promise<EvaluatedAudience> {
  const [evaluated, tags] = await Promise.all([
    evaluable(deps, app, audience).then((known) => deps.audiences.evaluate(app, known, options)),
    'tags' in audience ? deps.audiences.tags(app) : [],
  ])
  const { beforeSample, optedOut = 0, optedOutOfTopic = 0 } = evaluated
  return { ...evaluated, matching: beforeSample + optedOut + optedOutOfTopic, tags }
}

/**
 * Why a campaign to an audience without recipients is rejected: an error of the request. Its `allowEmpty` admits the
 * campaign. A campaign that starts later takes its audience then.
 */
export function emptyAudienceProblem(
  warnings: readonly Warning[],
  { allowEmpty }: CampaignRequest,
): Problem | undefined {
  const empty = warnings.find(({ code }) => code === EMPTY)
  if (empty === undefined || allowEmpty === true) return undefined
  const inputErrors = warnings
    .filter(({ pointer }) => pointer.startsWith('/audience'))
    .map(({ pointer, code, detail }) => ({ path: pointer.slice(1).split('/'), code, detail }))
  return new Problem('empty-audience', `${empty.detail}; allowEmpty admits the campaign all the same`, { inputErrors })
}

/** Warnings as the field of an answer, which has none without any. */
export function asField(warnings: Warning[]): { readonly warnings?: Warning[] } {
  return warnings.length === 0 ? {} : { warnings }
}

/** The warnings of an audience: tags that no channel has, and that it has no recipients. */
export function audienceWarnings(
  audience: Audience,
  { size, matching = 0, beforeSample = 0, tags, unknownChannels = 0 }: KnownAudience,
): Warning[] {
  const warnings = 'tags' in audience ? tagWarnings(audience.tags, tags) : []
  if (size > 0) return warnings
  return [
    ...warnings,
    { pointer: '/audience', code: EMPTY, detail: whyEmpty(audience, { matching, beforeSample, unknownChannels }) },
  ]
}

function whyEmpty(
  audience: Audience,
  {
    matching,
    beforeSample,
    unknownChannels,
  }: { readonly matching: number; readonly beforeSample: number; readonly unknownChannels: number },
): string {
  return `the audience has no recipients now: ${beforeSample > 0 ? noneInSample(beforeSample) : reasonFor(audience, matching, unknownChannels)}`
}

function noneInSample(count: number): string {
  return `the sample holds none of the ${count} ${count === 1 ? 'channel' : 'channels'} that match; raise its share`
}

function reasonFor(audience: Audience, matching: number, unknownChannels: number): string {
  if (matching > 0)
    return matching === 1 ? 'the only channel that matches opted out' : `all ${matching} channels that match opted out`
  const filters = ['registeredAfter', 'registeredBefore', 'gate'].filter((term) => term in audience)
  if (filters.length > 0 && !('channels' in audience && audience.channels.length === unknownChannels))
    return `no channel of it matches ${filters.join(' and ')}`
  if (unknownChannels > 0) return `none of its ${unknownChannels} channel ids is registered`
  if ('failedOf' in audience) return `no recipient of campaign ${audience.failedOf} ${resultsIn(audience)}`
  if ('restOf' in audience) return `campaign ${audience.restOf} had every channel of its audience as a recipient`
  if ('all' in audience) return 'the app has no channels'
  if ('list' in audience) return `no channel of the list ${audience.list} is registered`
  return 'no channel matches it'
}

function resultsIn({ classes, reasons }: Extract<Audience, { failedOf: string }>): string {
  if (classes === undefined && reasons === undefined) return 'failed or lapsed'
  const parts = [
    ...(classes === undefined ? [] : [`the class ${classes.join(' or ')}`]),
    ...(reasons === undefined ? [] : [`the reason ${reasons.join(' or ')}`]),
  ]
  return `has ${parts.join(' and ')}, or its channel is gone`
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

function hint(tag: string, tags: readonly string[]): string {
  if (tags.length === 0) return '; the channels of this app have no tags'
  const meant = nearest(tag, tags)
  return meant === undefined ? '; check the tags of the channels' : `; did you mean "${meant}"?`
}

function undefinedIfMissing(error: unknown): undefined {
  if (error instanceof Problem && (error.code === 'not-found' || error.code === 'conflict')) return undefined
  throw error
}
