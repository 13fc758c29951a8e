import { apiKeyRequestSchema, apiKeySchema, newApiKeySchema, Problem } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { invalid } from '../problem.ts'
import { answers, nothing, pageOf, pageQuery } from './shapes.ts'

const tags = ['keys']

export function keyRoutes(app: FastifyInstance, { apiKeys }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.post(
    '/keys',
    {
      schema: {
        tags,
        summary: 'Create an API key',
        body: apiKeyRequestSchema,
        response: answers({ 201: newApiKeySchema }),
      },
    },
    async ({ body, caller }, reply) => {
      reply.code(201)
      const { apiKey, key: text } = await apiKeys.create(body, caller?.id)
      return { ...apiKey, key: text }
    },
  )

  api.get(
    '/keys',
    {
      schema: {
        tags,
        summary: 'The API keys, without the keys themselves',
        querystring: pageQuery,
        response: answers({ 200: pageOf(apiKeySchema) }),
      },
    },
    async ({ query: { after, limit } }) => {
      const all = await apiKeys.list()
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
      // Starting again would loop for a client that revokes keys between pages.
      if (after !== undefined && from === 0)
        throw invalid('The query string', [
          { path: ['after'], code: 'unknown-key', detail: 'no key has this id any more; start again without "after"' },
        ])
      const items = all.slice(from, from + limit)
      const last = items.at(-1)
      return { items, ...(from + limit < all.length && last !== undefined ? { next: last.id } : {}) }
    },
  )

  api.delete(
    '/keys/:key',
    {
      schema: {
        tags,
        summary: 'Revoke an API key, everywhere within two seconds',
        params: z.strictObject({ key: z.string().max(128) }),
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      if (!(await apiKeys.revoke(params.key))) throw new Problem('not-found', 'no API key has this id; list the keys')
      return reply.code(204).send(null)
    },
  )
}
