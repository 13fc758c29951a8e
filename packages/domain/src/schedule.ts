import * as z from 'zod'
import { createdBySchema } from './api-key.ts'
import { warningSchema } from './warning.ts'
import { campaignRequestSchema } from './campaign.ts'
import { cronError } from './cron.ts'
import { isTimeZone } from './time-zone.ts'
import { appIdSchema, scheduleNameSchema } from './ids.ts'
import { templateReference } from './named-template.ts'

const cron = z
  .string()
  .max(200)
  .superRefine((text, context) => {
    const error = cronError(text)
    if (error !== undefined) context.addIssue({ code: 'custom', message: error })
  })
  .meta({ description: 'Minute, hour, day of month, month, day of week, as in crontab.', example: '0 8 * * 1-5' })

const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, { error: 'timeZone must be a name of the IANA database, such as Europe/Berlin or UTC' })
  .meta({ example: 'Europe/Berlin' })

const times = { cron, timeZone, paused: z.boolean().optional() }
// Each occurrence is a campaign that starts at once and expires after a day.
const campaign = campaignRequestSchema.omit({ startAt: true, expiresAt: true, localDate: true, dryRun: true })

/** A schedule whose template, if it has one, is replaced with its notification. */
export const resolvedScheduleSchema = z.strictObject({ ...times, campaign })
export const scheduleRequestSchema = z
  .strictObject({ ...times, campaign: campaign.partial({ notification: true }).extend(templateReference) })
  .meta({ id: 'ScheduleRequest' })
/** A campaign that repeats, and its times. */
export type ScheduleRequest = z.infer<typeof scheduleRequestSchema>

export const scheduleSchema = z
  .object({
    ...scheduleRequestSchema.shape,
    schedule: scheduleNameSchema,
    app: appIdSchema,
    paused: z.boolean(),
    createdAt: z.string(),
    createdBy: createdBySchema.describe(
      'The id of the API key that last put it. It runs only while that key is valid.',
    ),
    lastRunAt: z.string().optional().meta({ description: 'The occurrence that was last run.' }),
    next: z.array(z.string()).meta({ description: 'The next five occurrences, also while it is paused.' }),
    problem: z.string().optional().meta({ description: 'Why it cannot run; absent if it can.' }),
    warnings: z.array(warningSchema).optional().meta({ description: 'Only in the answer to PUT.' }),
  })
  .meta({ id: 'Schedule' })
/** What the API shows of a schedule. */
export type Schedule = z.infer<typeof scheduleSchema>

export const unreadableScheduleSchema = z
  .object({ schedule: scheduleNameSchema, app: appIdSchema, problem: z.string() })
  .meta({ id: 'UnreadableSchedule' })
/** What the API shows of a schedule whose stored record cannot be read. */
export type UnreadableSchedule = z.infer<typeof unreadableScheduleSchema>
