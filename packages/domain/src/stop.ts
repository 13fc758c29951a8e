import * as z from 'zod'

/** What stops an app, beside its own pause: nothing is sent, and no campaign is admitted. */
export const stopSchema = z
  .object({
    scope: z.enum(['app', 'installation']).meta({ description: 'Whose `resume-all` ends it.' }),
    at: z.string(),
    by: z.string().meta({ description: 'The id of the API key.' }),
  })
  .meta({ id: 'Stop' })
export type Stop = Readonly<z.infer<typeof stopSchema>>

export const stopResultSchema = z
  .object({
    stopped: z.boolean(),
    apps: z.number().int().meta({ description: 'Apps that this request stopped or resumed.' }),
  })
  .meta({ id: 'StopResult' })
export type StopResult = Readonly<z.infer<typeof stopResultSchema>>
