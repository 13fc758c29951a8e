import * as z from 'zod'
import { addMixedTerms } from './audience-terms.ts'
import { campaignIdSchema, channelIdSchema, listNameSchema } from './ids.ts'
import { instantSchema } from './instant.ts'
import { addMismatches, replayShape } from './replay.ts'
import { parseTagExpression } from './tag-expression.ts'

export const MAX_LISTED_CHANNELS = 10_000

const tagsSchema = z
  .string()
  .max(2000)
  .superRefine((text, context) => {
    const parsed = parseTagExpression(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.detail })
  })

const failedOfSchema = z
  .strictObject({ failedOf: campaignIdSchema, includeInDoubt: z.boolean().optional(), ...replayShape })
  .superRefine((audience, context) => {
    if (audience.includeInDoubt !== undefined && (audience.classes ?? audience.reasons) !== undefined)
      context.addIssue({
        code: 'custom',
        message: 'includeInDoubt cannot be combined with classes or reasons; add in_doubt to classes',
        path: ['includeInDoubt'],
      })
    addMismatches(audience, context)
  })

/** Terms that name channels. An audience has one of them at most. */
const sources = {
  all: z.literal(true),
  tags: tagsSchema,
  channels: z.array(channelIdSchema).min(1).max(MAX_LISTED_CHANNELS),
  list: listNameSchema,
  failedOf: campaignIdSchema,
  restOf: campaignIdSchema,
} as const

/** Terms that narrow the channels of `all`, `tags`, `channels` or `list`, or of the whole app. */
const filters = {
  registeredAfter: instantSchema
    .optional()
    .meta({ description: 'Only channels whose `registeredAt` is this time or later.' }),
  registeredBefore: instantSchema.optional().meta({ description: 'Only channels whose `registeredAt` is earlier.' }),
  gate: z
    .literal('open')
    .optional()
    .meta({ description: 'Only channels whose raw gate is open: the app is running, as far as known.' }),
} as const

const { all, tags, channels, list, restOf } = sources

export const audienceSchema = z
  .preprocess(
    (audience, context) => addMixedTerms(audience, { sources, filters }, context),
    z.union([
      z.strictObject({ all, ...filters }),
      z.strictObject({ tags, ...filters }),
      z.strictObject({ channels, ...filters }),
      z.strictObject({ list, ...filters }),
      failedOfSchema,
      z.strictObject({ restOf }),
      z.strictObject(filters),
    ]),
  )
  .meta({ id: 'Audience' })

/** The recipients of a campaign; evaluated to a bitmap over ordinals once, when the campaign launches. */
export type Audience = z.infer<typeof audienceSchema>

/** What narrows an audience. */
export type AudienceFilters = Pick<Extract<Audience, { all: true }>, keyof typeof filters>
