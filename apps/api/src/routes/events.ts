import type { AppEventType } from '@wns-fanout/domain'
import { appEventPageSchema, appEventTypes, eventCursorSchema } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { answers, appPath } from './shapes.ts'

const feedQuery = z.strictObject({
  after: z
    .union([eventCursorSchema, z.literal('latest')], {
      error: 'after must be a `cursor` of an earlier answer, or latest',
    })
    .optional()
    .meta({
      description: 'The `cursor` of the answer before; `latest` for the end as it is now. Absent: the oldest event.',
    }),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  type: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(appEventTypes)))
    .optional()
    .meta({ description: 'Only events of these types, separated by commas.' }),
})

/** What happened to an app, in order. */
export function eventRoutes(app: FastifyInstance, { apps, events }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  api.get(
    '/apps/:app/events',
    {
      schema: {
        tags: ['events'],
        summary: 'What happened to an app, oldest first',
        description:
          'A feed with a cursor: keep the `cursor` of the last answer and give it as `after` the next time. Events are ' +
          'kept for seven days, about 10,000 of each app.',
        params: appPath,
        querystring: feedQuery,
        response: answers({ 200: appEventPageSchema }),
      },
    },
    async ({ params, query: { after, limit, type } }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const types = type === undefined ? undefined : new Set<AppEventType>(type)
      const page = await events.read(params.app, { after, limit, types })
      return { ...page, items: [...page.items] }
    },
  )
}
