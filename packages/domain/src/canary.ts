import * as z from 'zod'

/** Classes that a canary can count as failing. */
export const canaryClasses = [
  'dropped',
  'dead',
  'rejected',
  'failed',
  'suppressed',
  'gated',
  'unregistered',
  'in_doubt',
] as const

export const canarySchema = z
  .strictObject({
    size: z.number().int().min(1).max(1_000_000).optional(),
    share: z.number().gt(0).lt(1).optional().meta({ description: 'Of the audience, rounded; at least one recipient.' }),
    maxFailureShare: z.number().gt(0).max(1).optional().meta({ description: 'Default 0.05.' }),
    failingClasses: z
      .array(z.enum(canaryClasses))
      .min(1)
      .optional()
      .meta({ description: 'Default: rejected, failed, dead, in_doubt.' }),
    approve: z.literal('manual').optional().meta({ description: 'The rest waits until a person approves it.' }),
  })
  .superRefine(({ size, share }, context) => {
    if (size === undefined && share === undefined)
      context.addIssue({ code: 'custom', message: 'a canary needs a size or a share', path: ['size'] })
    if (size !== undefined && share !== undefined)
      context.addIssue({
        code: 'custom',
        message: 'a canary has a size or a share, not both; remove one',
        path: ['share'],
      })
  })
