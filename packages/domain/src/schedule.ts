import * as z from 'zod'
import { campaignRequestSchema } from './campaign.ts'
import { cronError, isTimeZone } from './cron.ts'
import { appIdSchema, scheduleNameSchema } from './ids.ts'

const cron = z
  .string()
  .max(200)
  .superRefine((text, context) => {
    const inputError = cronError(text)
    if (inputError !== undefined) context.addIssue({ code: 'custom', message: inputError })
  })
  .meta({ description: 'Minute, hour, day of month, month, day of week.', example: '0 8 * * 1-5' })

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, { error: 'timeZone must be a name of the IANA database, such as Europe/Berlin or UTC' })
  .meta({ example: 'Europe/Berlin' })

export const scheduleRequestSchema = z
  .strictObject({
    cron,
    timeZone,
    // Each occurrence is a campaign that starts at once and lives a day.
    campaign: campaignRequestSchema.omit({ startAt: true, expiresAt: true, dryRun: true }),
    paused: z.boolean().optional(),
  })
  .meta({ id: 'ScheduleRequest' })
/** A campaign that repeats, and when. */
export type ScheduleRequest = z.infer<typeof scheduleRequestSchema>

export const scheduleSchema = z
  .object({
    ...scheduleRequestSchema.shape,
    schedule: scheduleNameSchema,
    app: appIdSchema,
    paused: z.boolean(),
    createdAt: z.string(),
    lastRunAt: z.string().optional().meta({ description: 'The occurrence that was last run.' }),
    next: z.array(z.string()).meta({ description: 'The next five occurrences, also while it is paused.' }),
  })
  .meta({ id: 'Schedule' })
/** What the API shows of a schedule. */
export type Schedule = z.infer<typeof scheduleSchema>
