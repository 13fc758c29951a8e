import * as z from 'zod'
import type { CampaignRequest } from './campaign.ts'
import { campaignRequestSchema } from './campaign.ts'
import { appIdSchema, channelIdSchema, tagNameSchema, templateNameSchema } from './ids.ts'
import { contentValuesShape } from './missing-variables.ts'
import { notificationSchema, notificationTypes } from './notification.ts'
import { varsSchema } from './vars.ts'

/** A notification that an app keeps under a name, for campaigns and schedules. */
export const namedTemplateSchema = z
  .object({
    template: templateNameSchema,
    app: appIdSchema,
    notification: notificationSchema,
    updatedAt: z.string(),
  })
  .meta({ id: 'NamedTemplate' })
export type NamedTemplate = z.infer<typeof namedTemplateSchema>

export const templateReference = {
  template: templateNameSchema.optional().meta({ description: 'Instead of `notification`: the name of a template.' }),
}

/** The body of a request for a campaign: its notification, or the name of a template. */
export const campaignBodySchema = campaignRequestSchema
  .partial({ notification: true })
  .extend(templateReference)
  .meta({ id: 'CampaignRequest' })
export type CampaignBody = CampaignRequest | (Omit<CampaignRequest, 'notification'> & { readonly template: string })

/** What to preview: with the values of a channel, or with given ones. */
export const previewRequestSchema = z
  .strictObject({
    notification: notificationSchema,
    ...contentValuesShape,
    channel: channelIdSchema.optional().meta({ description: 'Use the variables, locale and tags of this channel.' }),
    vars: varsSchema.optional().meta({ description: 'Variables; they come before those of the channel.' }),
    locale: z.string().max(100).optional(),
    tags: z.array(tagNameSchema).max(50).optional(),
  })
  .meta({ id: 'PreviewRequest' })
export type PreviewRequest = z.infer<typeof previewRequestSchema>

export type PreviewBody = PreviewRequest | (Omit<PreviewRequest, 'notification'> & { readonly template: string })

export const previewSchema = z
  .object({
    type: z.enum(notificationTypes),
    contentType: z.string(),
    headers: z.record(z.string(), z.string()),
    lacking: z.array(z.string()).meta({ description: 'Variables without a value and without a fallback.' }),
    reason: z
      .enum(['too-large', 'invalid-content', 'missing-variable'])
      .optional()
      .meta({ description: 'Why nothing would be posted; absent if it would.' }),
    body: z.string().optional(),
    encoding: z.enum(['utf8', 'base64']).optional().meta({ description: 'Of `body`: base64 where it is no text.' }),
    bytes: z.number().int().optional(),
  })
  .meta({ id: 'Preview' })
/** What would be posted to a recipient. */
export type Preview = z.infer<typeof previewSchema>
