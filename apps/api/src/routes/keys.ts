import { appIdSchema } from '@wns-fanout/domain'
import { apiVerbs } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { notFound } from '../auth.ts'
import type { ApiDeps } from '../deps.ts'
import { invalid } from '../problem.ts'
import { answers, nothing, pageOf, pageQuery } from './shapes.ts'

const tags = ['keys']
const key = {
  name: z.string().min(1).max(200),
  apps: z
    .array(z.union([z.literal('*'), appIdSchema]))
    .min(1)
    .max(1000)
    .meta({ description: 'The apps it may see; "*" means all, those of the future too.' }),
  verbs: z.array(z.enum(apiVerbs)).min(1).max(4),
  expiresAt: z.iso
    .datetime({ offset: true, error: 'a time must be ISO 8601 with a zone, e.g. 2026-01-31T09:30:00.000Z' })
    .refine((text) => Date.parse(text) > Date.now(), { error: 'the time is over; a key must expire in the future' })
    .optional(),
}
const keyRequestSchema = z.strictObject(key).meta({ id: 'ApiKeyRequest' })
const keySchema = z
  .object({ id: z.string(), ...key, expiresAt: z.string().optional(), createdAt: z.string() })
  .meta({ id: 'ApiKey' })
const newKeySchema = keySchema
  .extend({ key: z.string().meta({ description: 'Shown this once.' }) })
  .meta({ id: 'NewApiKey' })

export function keyRoutes(app: FastifyInstance, { apiKeys }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.post(
    '/keys',
    {
      schema: {
        tags,
        summary: 'Make an API key',
        body: keyRequestSchema,
        response: answers({ 201: newKeySchema }),
      },
    },
    async ({ body }, reply) => {
      reply.code(201)
      const { apiKey, key: text } = await apiKeys.create(body)
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
        response: answers({ 200: pageOf(keySchema) }),
      },
    },
    async ({ query: { after, limit } }) => {
      const all = await apiKeys.list()
      const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
      // Beginning anew would send a client that revokes keys between pages in circles.
      if (after !== undefined && from === 0)
        throw invalid('The query string', [
          { path: ['after'], code: 'unknown-key', detail: 'no key has this id any more; begin again without "after"' },
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
        summary: 'Revoke an API key, everywhere within five seconds',
        params: z.strictObject({ key: z.string().max(128) }),
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      if (!(await apiKeys.revoke(params.key))) throw notFound('API key')
      return reply.code(204).send(null)
    },
  )
}
