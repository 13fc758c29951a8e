import * as z from 'zod'
import { warningSchema } from './warning.ts'

export const estimateSchema = z
  .object({
    audienceSize: z.number().int(),
    estimate: z.object({ seconds: z.number(), ratePerSecond: z.number() }),
    warnings: z.array(warningSchema).optional(),
  })
  .meta({ id: 'Estimate' })
/** The size of an audience and the time to send to it. */
export type Estimate = z.infer<typeof estimateSchema>
