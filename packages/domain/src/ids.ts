import * as z from 'zod'

/** A primitive that only its own parser can make, so that two ids in the wrong order do not compile. */
type Branded<T, Name extends string> = T & { readonly __brand: Name }

export type AppId = Branded<string, 'AppId'>
export type ChannelId = Branded<string, 'ChannelId'>
export type CampaignId = Branded<string, 'CampaignId'>
export type ListName = Branded<string, 'ListName'>
export type TemplateName = Branded<string, 'TemplateName'>
export type ScheduleName = Branded<string, 'ScheduleName'>
export type WebhookName = Branded<string, 'WebhookName'>

/** A campaign and the app whose keys in Redis hold it. */
export interface CampaignRef {
  readonly app: AppId
  readonly campaign: CampaignId
}

/** The number of a channel in its app: given once, never reused, from 0. */
export type Ordinal = number

const namePattern = /^[a-z0-9-]{1,40}$/
const reservedNames = new Set(['and', 'or', 'not'])
const WANTED = '1 to 40 characters of a-z, 0-9 and "-", and not one of the words and, or, not'

function name(what: string) {
  return z
    .string()
    .regex(namePattern, { error: `${what} must be ${WANTED}` })
    .refine((value) => !reservedNames.has(value), { error: `${what} must be ${WANTED}` })
}

export const appIdSchema = name('an app id').meta({ id: 'AppId', example: 'news' })
export const tagNameSchema = name('a tag')
export const topicNameSchema = name('a topic')
export const listNameSchema = name('a list name')
export const templateNameSchema = name('a template name')
export const scheduleNameSchema = name('a schedule name')
export const webhookNameSchema = name('a webhook name')
export const campaignIdSchema = name('a campaign id')
export const channelIdSchema = z
  .string()
  .regex(/^[!-~]{1,128}$/, { error: 'a channel id must be 1 to 128 printable ASCII characters without spaces' })

/** Is `text` an app, tag, topic, list, schedule or campaign name? */
export function isName(text: string): boolean {
  return namePattern.test(text) && !reservedNames.has(text)
}

export function appId(text: string): AppId {
  return appIdSchema.parse(text) as AppId
}
export function channelId(text: string): ChannelId {
  return channelIdSchema.parse(text) as ChannelId
}
export function campaignId(text: string): CampaignId {
  return campaignIdSchema.parse(text) as CampaignId
}
