import * as z from 'zod'
import { classes } from './vector.ts'

export const resultSchema = z
  .object({
    channel: z.string(),
    class: z.enum(classes),
    status: z.number().int().optional(),
    reason: z.string().optional(),
    posts: z.number().int().meta({ description: 'Posts written; 7 means 7 or more.' }),
  })
  .meta({ id: 'Result' })
/** The outcome for one recipient of a campaign. */
export type Result = z.infer<typeof resultSchema>
