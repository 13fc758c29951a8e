import { appIdSchema, campaignSchema, campaignStates, topicNameSchema } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { maySee } from '../auth.ts'
import type { ApiDeps } from '../deps.ts'
import { answers, pageOf, pageQuery } from './shapes.ts'

const instant = z.iso
  .datetime({ offset: true, error: 'a time must be ISO 8601 with a zone, e.g. 2026-01-31T09:30:00.000Z' })
  .optional()

const searchQuery = pageQuery.extend({
  app: appIdSchema.optional(),
  state: z
    .enum(['open', ...campaignStates])
    .optional()
    .meta({ description: '`open`: all that are not finished, also those that wait for a decision.' }),
  name: z.string().min(1).max(200).optional().meta({ description: 'Part of the name, in any case of letters.' }),
  topic: topicNameSchema.optional(),
  createdAfter: instant.meta({ description: 'Created at this time or later.' }),
  createdBefore: instant.meta({ description: 'Created before this time.' }),
  idempotencyKey: z
    .string()
    .min(1)
    .max(255)
    .optional()
    .meta({ description: 'Only the campaigns that this `Idempotency-Key` made.' }),
})

/** Campaigns of all apps. */
export function campaignSearchRoutes(app: FastifyInstance, { apps, campaigns }: ApiDeps): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/campaigns',
    {
      schema: {
        tags: ['campaigns'],
        summary: 'The campaigns of all apps that the key may see, newest first',
        description:
          'A page may have fewer than `limit` campaigns although `next` is there: a filter that matches little ends a ' +
          'page early.',
        querystring: searchQuery,
        response: answers({ 200: pageOf(campaignSchema) }),
      },
    },
    async ({ caller, query: { app: only, createdAfter, createdBefore, ...query } }) => {
      const visible = (await apps.list()).filter(
        (id) => caller !== null && maySee(caller, id) && (only === undefined || id === only),
      )
      return campaigns.search(visible, {
        ...query,
        createdAfterMs: createdAfter === undefined ? undefined : Date.parse(createdAfter),
        createdBeforeMs: createdBefore === undefined ? undefined : Date.parse(createdBefore),
      })
    },
  )
}
