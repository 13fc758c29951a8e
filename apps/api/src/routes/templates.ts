import type { AppId, AppSettings, NamedTemplate } from '@wns-fanout/domain'
import {
  inputErrorsOf,
  namedTemplateSchema,
  notificationSchema,
  previewRequestSchema,
  previewSchema,
} from '@wns-fanout/domain'
import { preview } from '@wns-fanout/fanout'
import type { TemplateRecord } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { invalid } from '../problem.ts'
import { withTemplate } from '../resolve-template.ts'
import { notificationErrors, refuseManyVariants } from './campaigns.ts'
import { answers, appPath, bodyJudgedLater, nothing, pageByName, pageOf, pageQuery, templatePath } from './shapes.ts'

const tags = ['templates']
const bodySchema = z.strictObject({ notification: notificationSchema })
const previewBodySchema = previewRequestSchema
  .partial({ notification: true })
  .extend({ template: z.string().optional() })
  .meta({ id: 'PreviewBody' })

/** Notifications with names, and what a notification looks like for one recipient. */
export function templateRoutes(app: FastifyInstance, { apps, templates, registry }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.put(
    '/apps/:app/templates/:template',
    {
      schema: {
        tags,
        summary: 'Create or replace a template: a notification with a name',
        description: 'Campaigns that exist keep the notification that they were created with.',
        params: templatePath,
        body: bodySchema,
        response: answers({ 200: namedTemplateSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async ({ params, body }) => {
      const settings = await apps.settings(params.app)
      if (settings === null) throw notFound('app', params.app)
      const { notification } = judged('The template', bodySchema, body, settings)
      return show(params.app, await templates.put(params.app, params.template, notification))
    },
  )

  api.get(
    '/apps/:app/templates/:template',
    { schema: { tags, summary: 'A template', params: templatePath, response: answers({ 200: namedTemplateSchema }) } },
    async ({ params }) => {
      const found = await templates.get(params.app, params.template)
      if (found === null) throw notFound('template', params.template)
      return show(params.app, found)
    },
  )

  api.get(
    '/apps/:app/templates',
    {
      schema: {
        tags,
        summary: 'The templates of an app',
        params: appPath,
        querystring: pageQuery,
        response: answers({ 200: pageOf(namedTemplateSchema) }),
      },
    },
    async ({ params, query }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const { page, next } = pageByName(await templates.list(params.app), ({ template }) => template, query)
      return { items: page.map((record) => show(params.app, record)), ...next }
    },
  )

  api.delete(
    '/apps/:app/templates/:template',
    {
      schema: {
        tags,
        summary: 'Remove a template; schedules that name it are refused from then on',
        params: templatePath,
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      if (!(await templates.delete(params.app, params.template))) throw notFound('template', params.template)
      return reply.code(204).send(null)
    },
  )

  api.post(
    '/apps/:app/campaigns::preview',
    {
      schema: {
        tags: ['campaigns'],
        summary: 'What would be posted to one recipient',
        description: 'With the values of a channel, with given ones, or with both. Nothing is sent or stored.',
        params: appPath,
        body: previewBodySchema,
        response: answers({ 200: previewSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async ({ params, body }) => {
      const settings = await apps.settings(params.app)
      if (settings === null) throw notFound('app', params.app)
      const resolved = await withTemplate(templates, params.app, body)
      const request = judged('The preview', previewRequestSchema, resolved, settings)
      const { channel } = request
      const recipient = channel === undefined ? undefined : await registry.recipient(params.app, channel as never)
      if (recipient === null) throw notFound('channel', channel ?? '')
      return preview(request, recipient)
    },
  )
}

/** A body with a notification. Throws all problems at once. */
function judged<T>(what: string, schema: z.ZodType<T>, body: unknown, { credentialsKind }: AppSettings): T {
  refuseManyVariants(body)
  const parsed = schema.safeParse(body)
  const errors = [
    ...(parsed.success ? [] : inputErrorsOf(parsed.error.issues, schema)),
    ...notificationErrors(body, credentialsKind),
  ]
  if (!parsed.success || errors.length > 0) throw invalid(what, errors)
  return parsed.data
}

function show(app: AppId, { template, notification, updatedAtMs }: TemplateRecord): NamedTemplate {
  return { template, app, notification, updatedAt: new Date(updatedAtMs).toISOString() }
}
