import * as z from 'zod'

export const sampleSchema = z
  .object({
    channel: z.string(),
    status: z.number().int().nullable().meta({ description: 'Null if no HTTP response arrived.' }),
    wnsStatus: z.string().optional(),
    description: z.string().optional(),
    msgId: z.string().optional(),
    debugTrace: z.string().optional(),
    msCv: z.string().optional(),
    at: z.string(),
  })
  .meta({ id: 'Sample' })
/** Details of one response of WNS. */
export type Sample = z.infer<typeof sampleSchema>
