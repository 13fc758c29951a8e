import * as z from 'zod'
import { tagNameSchema } from './ids.ts'
import type { Placeholder } from './placeholder.ts'
import type { Template } from './template.ts'
import { varsSchema } from './vars.ts'

// Where the values of placeholders come from, and what happens to a recipient without one.

export const missingPolicies = ['skip', 'fallback', 'refuse'] as const
export type MissingPolicy = (typeof missingPolicies)[number]

const MAX_TAGS = 1000

export const contentValuesShape = {
  missing: z
    .enum(missingPolicies)
    .optional()
    .meta({
      description:
        'What happens when a recipient lacks a variable whose placeholder has no fallback: `skip` sends it nothing, ' +
        '`fallback` takes the value from `fallbacks`, `refuse` rejects the campaign. Absent, the text there is empty.',
    }),
  fallbacks: varsSchema.optional().meta({ description: 'With `missing: fallback`: a value for each such variable.' }),
  valuesByTag: z
    .record(z.string(), varsSchema)
    .superRefine((values, context) => {
      const tags = Object.keys(values)
      if (tags.length > MAX_TAGS)
        context.addIssue({ code: 'custom', message: `at most ${MAX_TAGS} tags may have values; found ${tags.length}` })
      for (const tag of tags) {
        const [issue] = tagNameSchema.safeParse(tag).error?.issues ?? []
        if (issue !== undefined) context.addIssue({ code: 'custom', path: [tag], message: issue.message })
      }
    })
    .optional()
    .meta({
      description:
        'Variables of this campaign by the tag of the channel, such as `{"city-berlin": {"temperature": "7"}}`. They ' +
        'come before the variables of the channel. Of several tags with a variable, the first one here counts.',
    }),
}

/** The values that a campaign has for its recipients. */
export interface ContentValues {
  readonly missing?: MissingPolicy | undefined
  readonly fallbacks?: Readonly<Record<string, string>> | undefined
  readonly valuesByTag?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined
}

type Variables = Readonly<Record<string, string>>

/** The variables of a recipient in a campaign: its own, and before these the ones of its tags. */
export function valuesFor({ valuesByTag }: ContentValues, own: Variables, tags: readonly string[]): Variables {
  if (valuesByTag === undefined || tags.length === 0) return own
  const worn = new Set(tags)
  const given = Object.entries(valuesByTag).filter(([tag]) => worn.has(tag))
  // The first tag of the request is assigned last, so it wins.
  return Object.assign({}, own, ...given.map(([, values]) => values).toReversed()) as Variables
}

/** The placeholders without a fallback for which a recipient has no value. */
export function lackingIn(template: Template | null, values: Variables): Placeholder[] {
  return (template?.parts ?? []).filter(
    (part): part is Placeholder =>
      typeof part !== 'string' && part.fallback === '' && !Object.hasOwn(values, part.name),
  )
}
