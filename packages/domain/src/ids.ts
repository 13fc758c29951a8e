import * as z from 'zod'

/** A primitive that only its own parser can make, so that two ids in the wrong order do not compile. */
type Branded<T, Name extends string> = T & { readonly __brand: Name }

export type AppId = Branded<string, 'AppId'>
export type ChannelId = Branded<string, 'ChannelId'>
export type CampaignId = Branded<string, 'CampaignId'>
export type ListName = Branded<string, 'ListName'>
export type ScheduleName = Branded<string, 'ScheduleName'>

/** The number of a channel in its app: given once, never reused, from 0. */
export type Ordinal = number

const NAME = /^[a-z0-9-]{1,40}$/
const RESERVED = new Set(['and', 'or', 'not'])
const wanted = '1 to 40 characters of a-z, 0-9 and "-", and not one of the words and, or, not'

const name = (what: string) =>
  z
    .string()
    .regex(NAME, { error: `${what} must be ${wanted}` })
    .refine((value) => !RESERVED.has(value), { error: `${what} must be ${wanted}` })

export const appIdSchema = name('an app id').meta({ id: 'AppId', example: 'news' })
export const tagNameSchema = name('a tag')
export const topicNameSchema = name('a topic')
export const listNameSchema = name('a list name')
export const scheduleNameSchema = name('a schedule name')
export const campaignIdSchema = name('a campaign id')
export const channelIdSchema = z
  .string()
  .regex(/^[!-~]{1,128}$/, { error: 'a channel id must be 1 to 128 printable ASCII characters without spaces' })

/** Is `text` an app, tag, topic, list, schedule or campaign name? */
export const isName = (text: string): boolean => NAME.test(text) && !RESERVED.has(text)

export const appId = (text: string): AppId => appIdSchema.parse(text) as AppId
export const channelId = (text: string): ChannelId => channelIdSchema.parse(text) as ChannelId
export const campaignId = (text: string): CampaignId => campaignIdSchema.parse(text) as CampaignId
