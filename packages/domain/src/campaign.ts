import * as z from 'zod'
import { createdBySchema } from './api-key.ts'
import { audienceSchema } from './audience.ts'
import { canarySchema } from './canary.ts'
import { appIdSchema, campaignIdSchema, topicNameSchema } from './ids.ts'
import { instantSchema } from './instant.ts'
import { localTimeShape, waveSchema } from './local-delivery.ts'
import { contentValuesShape } from './missing-variables.ts'
import { notificationSchema } from './notification.ts'
import { sendWindowSchema } from './send-window.ts'
import type { RecipientClass } from './vector.ts'
import { classes } from './vector.ts'
import { labelSchema } from './visible-text.ts'
import { warningSchema } from './warning.ts'

export const campaignStates = ['scheduled', 'sending', 'paused', 'completed', 'cancelled', 'expired', 'halted'] as const
export type CampaignState = (typeof campaignStates)[number]
const terminalStates = new Set<CampaignState>(['completed', 'cancelled', 'expired', 'halted'])
export function isTerminal(state: CampaignState): boolean {
  return terminalStates.has(state)
}

export const overLimitPolicies = ['reject', 'defer', 'coalesce', 'drop'] as const
export type OverLimitPolicy = (typeof overLimitPolicies)[number]
export const deliveries = ['at-least-once', 'at-most-once'] as const
export type Delivery = (typeof deliveries)[number]

const share = z.number().gt(0).max(1)

export const campaignRequestSchema = z.strictObject({
  name: labelSchema(200).optional(),
  notification: notificationSchema,
  ...contentValuesShape,
  audience: audienceSchema,
  update: z.enum(['generic', 'personalized']).optional(),
  topic: topicNameSchema.optional(),
  overLimit: z.enum(overLimitPolicies).optional(),
  delivery: z.enum(deliveries).optional(),
  startAt: instantSchema.optional(),
  expiresAt: instantSchema.optional(),
  ...localTimeShape,
  sendWindow: sendWindowSchema.optional(),
  ignoreQuietHours: z.boolean().optional().meta({ description: 'Of an urgent campaign: post in the quiet hours too.' }),
  pace: z.strictObject({ overSeconds: z.number().int().min(1).max(604_800) }).optional(),
  canary: canarySchema.optional(),
  maxFailureShare: share.optional(),
  maxDeadShare: z.strictObject({ share, reason: labelSchema(500) }).optional(),
  priority: z.enum(['urgent', 'normal']).optional(),
  dryRun: z.boolean().optional(),
  confirm: z
    .string()
    .regex(/^[A-Za-z0-9_-]{16,64}$/, { error: 'confirm is the digest of a dry run' })
    .optional()
    .meta({ description: 'The `confirm.digest` of the dry run of this request, where the app wants one.' }),
  allowEmpty: z.boolean().optional(),
  keepRawGates: z.boolean().optional(),
  sample: z.strictObject({ share, seed: z.union([z.string().max(100), z.number().int()]) }).optional(),
})
export type CampaignRequest = z.infer<typeof campaignRequestSchema>

export const totalsSchema = z
  .strictObject(
    Object.fromEntries(classes.map((name) => [name, z.number().int()])) as Record<RecipientClass, z.ZodNumber>,
  )
  .meta({ id: 'Totals' })

export const campaignSchema = z
  .strictObject({
    id: campaignIdSchema,
    app: appIdSchema,
    name: z.string().optional(),
    state: z.enum(campaignStates),
    reason: z.string().optional(),
    detail: z
      .string()
      .optional()
      .meta({ description: 'For people: what halted it and what to do next; what it waits for.' }),
    update: z.enum(['generic', 'personalized']),
    topic: z.string(),
    delivery: z.enum(deliveries),
    priority: z.enum(['urgent', 'normal']),
    type: z.enum(['toast', 'tile', 'badge', 'raw']),
    createdAt: z.string(),
    createdBy: createdBySchema,
    startAt: z.string().optional(),
    expiresAt: z.string(),
    finishedAt: z.string().optional(),
    audienceSize: z.number().int().nullable(),
    totals: totalsSchema,
    ratePerSecond: z.number(),
    etaSeconds: z.number().nullable(),
    parent: z.string().optional(),
    unknownChannels: z.number().int().optional(),
    optedOut: z.number().int().optional().meta({
      description: 'Channels of the audience that are no recipients because they opted out; absent before the start.',
    }),
    optedOutOfTopic: z.number().int().optional().meta({
      description: 'Other channels of the audience that are no recipients because they opted out of the topic.',
    }),
    waves: z.array(waveSchema).optional().meta({
      description: 'Of a campaign at a local time: when each group of time zones gets it; absent before the start.',
    }),
    localTimePassed: z.number().int().optional().meta({
      description: 'Channels of the audience that are no recipients because the local time of their zone had passed.',
    }),
    warnings: z
      .array(warningSchema)
      .optional()
      .meta({ description: 'Only in the answer to the request that created it.' }),
  })
  .meta({ id: 'Campaign' })
/** What the API shows of a campaign. `totals` sum to `audienceSize` at every instant after the freeze. */
export type Campaign = z.infer<typeof campaignSchema>

/** Is nothing of it pending any more? One that was cancelled or halted first drains what was under way. */
export function isFinished({ state, finishedAt }: Pick<Campaign, 'state' | 'finishedAt'>): boolean {
  return isTerminal(state) && finishedAt !== undefined
}

export const DAY_MS = 86_400_000
export const MAX_LIFE_MS = 7 * DAY_MS
