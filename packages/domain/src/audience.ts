import * as z from 'zod'
import { campaignIdSchema, channelIdSchema, listNameSchema } from './ids.ts'
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

export const audienceSchema = z
  .union([
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ tags: tagsSchema }),
    z.strictObject({ channels: z.array(channelIdSchema).min(1).max(MAX_LISTED_CHANNELS) }),
    z.strictObject({ list: listNameSchema }),
    failedOfSchema,
    z.strictObject({ restOf: campaignIdSchema }),
  ])
  .meta({ id: 'Audience' })

/** The recipients of a campaign; evaluated to a bitmap over ordinals once, when the campaign launches. */
export type Audience = z.infer<typeof audienceSchema>
