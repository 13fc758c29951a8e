import type {
  AppId,
  CampaignId,
  ChannelId,
  ListName,
  ScheduleName,
  TemplateName,
  WebhookName,
} from '@wns-fanout/domain'
import {
  appIdSchema,
  campaignIdSchema,
  channelIdSchema,
  listNameSchema,
  scheduleNameSchema,
  templateNameSchema,
  webhookNameSchema,
  topicNameSchema,
} from '@wns-fanout/domain'
import type { FastifySchemaCompiler } from 'fastify'
import * as z from 'zod'
import { judge } from '../bodies.ts'
import { problemSchema } from '../problem.ts'

// Paths: a name gets its brand after it was checked.
const appName = appIdSchema.transform((name) => name as AppId)
export const appPath = z.strictObject({ app: appName })
export const channelPath = z.strictObject({ app: appName, channel: channelIdSchema.transform((id) => id as ChannelId) })
export const listPath = z.strictObject({ app: appName, list: listNameSchema.transform((name) => name as ListName) })
export const schedulePath = z.strictObject({
  app: appName,
  schedule: scheduleNameSchema.transform((name) => name as ScheduleName),
})
export const templatePath = z.strictObject({
  app: appName,
  template: templateNameSchema.transform((name) => name as TemplateName),
})
export const webhookPath = z.strictObject({
  app: appName,
  webhook: webhookNameSchema.transform((name) => name as WebhookName),
})
export const campaignPath = z.strictObject({ campaign: campaignIdSchema.transform((id) => id as CampaignId) })

/** Of what to opt out, or into again. */
export const topicQuery = z.strictObject({
  topic: topicNameSchema.optional().meta({ description: 'A topic; absent, the opt-out applies to everything.' }),
})

/** Where a page of a list starts, and its size. */
export const pageQuery = z.strictObject({
  after: z.string().min(1).max(200).meta({ description: 'The `next` of the page before.' }).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: z.string().meta({ description: 'Give it as `after` to get the next page; absent on the last.' }).optional(),
  })
}

/** The responses of a route, for the documentation. Every route can also respond with a problem. */
export function answers(own: Readonly<Record<number, unknown>>): unknown {
  return {
    ...own,
    '4xx': problem('A refusal that the caller can act on'),
    '5xx': problem('The service cannot answer now'),
  }
}

function problem(description: string) {
  return {
    description,
    content: { 'application/problem+json': { schema: problemSchema } },
  }
}

export const nothing = z.null().meta({ description: 'No content' })

/** For routes whose handler checks the body, together with rules that are not in the schema. */
export function bodyJudgedLater<Schema>(): FastifySchemaCompiler<Schema> {
  return (route) =>
    route.httpPart === 'body'
      ? (input: unknown) => ({ value: input })
      : judge(route as unknown as Parameters<typeof judge>[0])
}

/** The page of a list that is sorted by name, and the name after which the next page starts. */
export function pageByName<T>(
  all: readonly T[],
  nameOf: (item: T) => string,
  { after = '', limit }: { readonly after?: string | undefined; readonly limit: number },
): { readonly page: readonly T[]; readonly next: { readonly next?: string } } {
  const rest = all.filter((item) => nameOf(item) > after)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  return { page, next: rest.length > limit && last !== undefined ? { next: nameOf(last) } : {} }
}
