import * as z from 'zod'

export const verificationSchema = z
  .object({
    ok: z.boolean(),
    code: z.string(),
    explanation: z.string(),
    expiresInSeconds: z.number().optional(),
  })
  .meta({ id: 'Verification' })
/** The answer of the token service to the credentials of an app. */
export type Verification = z.infer<typeof verificationSchema>
