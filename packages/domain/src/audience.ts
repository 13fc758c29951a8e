import * as z from 'zod'
import { campaignIdSchema, channelIdSchema, listNameSchema } from './ids.ts'
import { parseTagExpression } from './tag-expression.ts'

export const MAX_LISTED_CHANNELS = 10_000

const tagsSchema = z
  .string()
  .max(2000)
  .superRefine((text, context) => {
    const parsed = parseTagExpression(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.detail })
  })

export const audienceSchema = z
  .union([
    z.strictObject({ all: z.literal(true) }),
    z.strictObject({ tags: tagsSchema }),
    z.strictObject({ channels: z.array(channelIdSchema).min(1).max(MAX_LISTED_CHANNELS) }),
    z.strictObject({ list: listNameSchema }),
    z.strictObject({ failedOf: campaignIdSchema, includeInDoubt: z.boolean().optional() }),
  ])
  .meta({ id: 'Audience' })

/** The recipients of a campaign; evaluated to a bitmap over ordinals once, when the campaign launches. */
export type Audience = z.infer<typeof audienceSchema>
