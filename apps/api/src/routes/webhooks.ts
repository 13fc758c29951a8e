import type { AppId, Webhook, WebhookName } from '@wns-fanout/domain'
import { webhookRequestSchema, webhookSchema, webhookTestSchema } from '@wns-fanout/domain'
import type { WebhookRecord } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { answers, appPath, nothing, pageByName, pageOf, pageQuery, webhookPath } from './shapes.ts'

const tags = ['webhooks']

/** Where the events of an app are posted to. */
export function webhookRoutes(app: FastifyInstance, { apps, webhooks, testWebhook }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  const mustGet = async (id: { readonly app: AppId; readonly webhook: WebhookName }): Promise<WebhookRecord> => {
    const found = await webhooks.get(id.app, id.webhook)
    if (found === null) throw notFound('webhook', id.webhook)
    return found
  }

  api.put(
    '/apps/:app/webhooks/:webhook',
    {
      schema: {
        tags,
        summary: 'Create or replace a webhook: a URL that the events of an app are posted to',
        description:
          'A new webhook gets the events from now on. Its `secret` is only in this answer. A secret that is replaced ' +
          'signs for another day beside the new one.',
        params: webhookPath,
        body: webhookRequestSchema,
        response: answers({ 200: webhookSchema }),
      },
    },
    async ({ params, body, caller }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const { secret, ...record } = await webhooks.put(params.app, params.webhook, body, caller?.id)
      return { ...show(params.app, record), ...(secret === undefined ? {} : { secret }) }
    },
  )

  api.get(
    '/apps/:app/webhooks/:webhook',
    { schema: { tags, summary: 'A webhook', params: webhookPath, response: answers({ 200: webhookSchema }) } },
    async ({ params }) => show(params.app, await mustGet(params)),
  )

  api.get(
    '/apps/:app/webhooks',
    {
      schema: {
        tags,
        summary: 'The webhooks of an app',
        params: appPath,
        querystring: pageQuery,
        response: answers({ 200: pageOf(webhookSchema) }),
      },
    },
    async ({ params, query }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const { page, next } = pageByName(await webhooks.list(params.app), ({ webhook }) => webhook, query)
      return { items: page.map((record) => show(params.app, record)), ...next }
    },
  )

  api.delete(
    '/apps/:app/webhooks/:webhook',
    {
      schema: { tags, summary: 'Remove a webhook', params: webhookPath, response: answers({ 204: nothing }) },
    },
    async ({ params }, reply) => {
      if (!(await webhooks.delete(params.app, params.webhook))) throw notFound('webhook', params.webhook)
      return reply.code(204).send(null)
    },
  )

  api.post(
    '/apps/:app/webhooks/:webhook/test',
    {
      schema: {
        tags,
        summary: 'Post an event of the type `webhook.test` now, and report how it was answered',
        description: 'It is not repeated, and is sent to a webhook that is disabled, too.',
        params: webhookPath,
        response: answers({ 200: webhookTestSchema }),
      },
    },
    async ({ params }) => testWebhook(params.app, await mustGet(params)),
  )
}

function show(app: AppId, { createdAtMs, updatedAtMs, types, progress, ...rest }: WebhookRecord): Webhook {
  const { cursor, failures, nextAtMs, problem } = progress
  return {
    ...rest,
    app,
    ...(types === undefined ? {} : { types: [...types] }),
    createdAt: iso(createdAtMs),
    updatedAt: iso(updatedAtMs),
    delivery: {
      cursor,
      failures,
      ...(nextAtMs === 0 ? {} : { nextAttemptAt: iso(nextAtMs) }),
      ...(problem === undefined ? {} : { lastProblem: problem }),
    },
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
