import * as z from 'zod'
import { waveSchema } from './local-delivery.ts'
import { verificationSchema } from './verification.ts'
import { warningSchema } from './warning.ts'

const count = z.number().int()

export const estimateSchema = z
  .object({
    audienceSize: count.meta({ description: 'Recipients now, without channels that opted out.' }),
    optedOut: count.meta({ description: 'Channels of the audience that opted out in general.' }),
    optedOutOfTopic: count.meta({ description: 'Other channels of the audience that opted out of the topic.' }),
    suppressed: count.meta({ description: 'Recipients that the guard would suppress at the start.' }),
    gated: count.meta({ description: 'Recipients whose raw gate is closed; 0 unless the notification is raw.' }),
    contents: z
      .object({
        examined: count.meta({ description: 'Recipients whose content was filled in.' }),
        lackingVariables: count.meta({
          description: 'Recipients without a value for a placeholder that has no fallback.',
        }),
        tooLarge: count.meta({ description: 'Recipients whose content is too large once filled in.' }),
        invalid: count.meta({ description: 'Recipients whose content is invalid once filled in.' }),
      })
      .optional()
      .meta({ description: 'Only with placeholders. Counts among the examined, at most 65,536.' }),
    slot: z.object({ campaign: z.string(), until: z.string() }).optional().meta({
      description: 'The campaign that has the slot of the topic at the start, and the time it is free again.',
    }),
    waves: z.array(waveSchema).optional().meta({ description: 'Only with `localTime`: when each time zone gets it.' }),
    localTimePassed: count.optional().meta({
      description: 'Only with `localTime`: channels of the audience that are no recipients because it had passed.',
    }),
    confirm: z.object({ digest: z.string(), expiresAt: z.string() }).optional().meta({
      description: 'Only where the app wants a confirmation: send the same request with this digest as `confirm`.',
    }),
    credentials: verificationSchema,
    estimate: z.object({ seconds: z.number(), ratePerSecond: z.number() }),
    warnings: z.array(warningSchema).optional(),
  })
  .meta({ id: 'Estimate' })
/** What a campaign would do, were it sent now: the answer to a dry run. */
export type Estimate = z.infer<typeof estimateSchema>
