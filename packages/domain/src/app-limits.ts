import * as z from 'zod'

function limit(max: number) {
  return z.number().int().min(0).max(max).optional()
}

/** What an app may use of the installation. Only a key for all apps changes it. */
export const appLimitsSchema = z
  .strictObject({
    recipientsPerDay: limit(1_000_000_000).meta({ description: 'Recipients of all campaigns created on a UTC day.' }),
    recipientsPerKeyAndDay: limit(1_000_000_000).meta({ description: 'The same for each API key.' }),
    unfinishedCampaigns: limit(100_000).meta({ description: 'Campaigns that are not finished; default 1000.' }),
  })
  .meta({ id: 'AppLimits' })
export type AppLimits = Readonly<z.infer<typeof appLimitsSchema>>

export const DEFAULT_UNFINISHED_CAMPAIGNS = 1000

export const confirmAboveSchema = z.number().int().min(0).max(1_000_000_000).meta({
  description:
    'A campaign with more recipients needs the `confirm` of its dry run. Only a key for all apps changes it.',
})

/** Settings that protect others from an app, so that the app does not change them itself. */
export const protectedSettings = ['allowFasterThanGuideline', 'confirmAbove', 'limits'] as const
