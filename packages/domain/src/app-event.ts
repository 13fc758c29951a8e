import * as z from 'zod'
import { campaignStates, totalsSchema } from './campaign.ts'
import { appIdSchema, campaignIdSchema, channelIdSchema, scheduleNameSchema, webhookNameSchema } from './ids.ts'
import { notificationTypes } from './notification.ts'

/** What is reported, by type: the data of the event. */
const dataOf = {
  'campaign.finished': z
    .object({
      campaign: campaignIdSchema,
      state: z.enum(campaignStates),
      reason: z.string().optional(),
      type: z.enum(notificationTypes).optional(),
      topic: z.string().optional(),
      audienceSize: z.number().int(),
      totals: totalsSchema,
    })
    .meta({ description: 'A campaign ended: completed, cancelled, expired or halted. No recipient is pending.' }),
  'campaign.halted': z
    .object({ campaign: campaignIdSchema, reason: z.string(), resumable: z.boolean() })
    .meta({ description: 'A campaign stopped by itself. One that is resumable waits for a decision.' }),
  'campaign.waiting-for-approval': z
    .object({ campaign: campaignIdSchema })
    .meta({ description: 'The canary of a campaign is settled, and the rest waits for approval.' }),
  'schedule.refused': z
    .object({ schedule: scheduleNameSchema, dueAt: z.string(), code: z.string(), detail: z.string() })
    .meta({
      description:
        'An occurrence of a schedule was rejected; the code `empty-audience` means that it had no recipient.',
    }),
  'schedule.stopped': z
    .object({ schedule: scheduleNameSchema, dueAt: z.string(), createdBy: z.string() })
    .meta({ description: 'An occurrence did not run: the API key that put the schedule is revoked or expired.' }),
  'breaker.opened': z
    .object({ kind: z.string(), reason: z.string() })
    .meta({ description: 'WNS or its token service refuses the app; nothing is sent for it.' }),
  'breaker.closed': z.object({ kind: z.string() }).meta({ description: 'Sending for the app resumes.' }),
  'channels.removed': z
    .object({ count: z.number().int(), channels: z.array(channelIdSchema) })
    .meta({ description: 'WNS ended these channels (404 or 410), and they were removed. At most 500 an event.' }),
  'webhook.disabled': z
    .object({ webhook: webhookNameSchema, reason: z.string() })
    .meta({ description: 'The receiver of a webhook answered 410, so it gets no more events.' }),
} as const

export type AppEventType = keyof typeof dataOf
export const appEventTypes = Object.keys(dataOf) as AppEventType[]

/** A position in the events of an app: the id of the last event that was read, or `0-0` before the first. */
export const eventCursorSchema = z
  .string()
  .regex(/^\d{1,16}-\d{1,16}$/, { error: 'a cursor must be the `cursor` of an earlier answer, such as 0-0' })

const [first, ...rest] = appEventTypes.map((type) =>
  z.object({
    id: eventCursorSchema.meta({ description: 'Unique in the app, and rising.', example: '1767225600000-0' }),
    type: z.literal(type),
    app: appIdSchema,
    timestamp: z.string().meta({ description: 'When it happened, by the clock of Redis.' }),
    data: dataOf[type],
  }),
)
if (first === undefined) throw new Error('there must be a type of event')

export const appEventSchema = z.discriminatedUnion('type', [first, ...rest]).meta({ id: 'AppEvent' })

/** Something that happened to an app, as its feed and its webhooks report it. */
export type AppEvent = {
  [T in AppEventType]: {
    readonly id: string
    readonly type: T
    readonly app: string
    readonly timestamp: string
    readonly data: z.infer<(typeof dataOf)[T]>
  }
}[AppEventType]

export const appEventPageSchema = z
  .object({
    items: z.array(appEventSchema),
    cursor: eventCursorSchema.meta({ description: 'Give it as `after` to get what comes next, now or later.' }),
    more: z.boolean().meta({ description: 'Are there already events behind the cursor?' }),
    missed: z
      .boolean()
      .meta({ description: 'True if events behind `after` were removed before they were read: they were too old.' }),
  })
  .meta({ id: 'AppEventPage' })
/** A part of the events of an app. */
export type AppEventPage = Omit<z.infer<typeof appEventPageSchema>, 'items'> & { readonly items: readonly AppEvent[] }
