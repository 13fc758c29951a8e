import * as z from 'zod'

/** The largest share of the channels that a call may remove: a wrong file or date must not remove them all. */
export const maxShareSchema = z
  .number()
  .min(0)
  .max(1)
  .default(0.1)
  .meta({ description: 'The largest share of the channels that may be removed.' })
