import { importRegistrations } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { notFound } from '../auth.ts'
import { installSchemas } from '../bodies.ts'
import type { ApiDeps } from '../deps.ts'
import { readChannels, readRegistrations } from '../import.ts'
import { answers, appPath, listPath } from './shapes.ts'

const importResultSchema = z
  .object({
    accepted: z.number().int(),
    rejected: z.number().int(),
    errors: z
      .array(z.object({ line: z.number().int(), code: z.string(), detail: z.string() }))
      .meta({ description: 'The first 100; lines are counted from 1.' }),
    sharedUris: z
      .number()
      .int()
      .meta({ description: 'Lines whose URI another channel of the upload had: one device, two channels.' }),
  })
  .meta({ id: 'ImportResult' })

export const listSchema = z
  .object({ list: z.string(), size: z.number().int(), unknown: z.number().int() })
  .meta({ id: 'List' })

/**
 * Routes whose body is a stream of lines. They have no body limit but those of lines.ts: a line, the whole, and the ratio
 * of a gzip.
 */
export function uploadRoutes(app: FastifyInstance, { apps, registry, lists }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  installSchemas(app)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(['application/x-ndjson'], (_request, payload, done) => done(null, payload))

  api.put(
    '/apps/:app/lists/:list',
    {
      schema: {
        tags: ['lists'],
        summary: 'Upload a list of channels, kept for 30 days',
        description: 'Body: `application/x-ndjson`, lines `{"channel": "…"}`, gzip allowed.',
        params: listPath,
        response: answers({ 200: listSchema }),
      },
    },
    async ({ params, raw }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app')
      return { list: params.list, ...(await lists.put(params.app, params.list, readChannels(raw))) }
    },
  )

  void app.register(async (imports) => {
    imports.addContentTypeParser('text/csv', (_request, payload, done) => done(null, payload))
    imports.withTypeProvider<ZodTypeProvider>().post(
      '/apps/:app/channels::import',
      {
        schema: {
          tags: ['channels'],
          summary: 'Register many channels',
          description:
            'Body: `application/x-ndjson` with lines like those of the export, or `text/csv` with the header ' +
            '`channel,uri,tags,locale` and tags joined by `;`. Gzip allowed. Broken lines are reported and the rest goes in.',
          params: appPath,
          response: answers({ 200: importResultSchema }),
        },
      },
      async ({ params, raw, headers }) => {
        if ((await apps.settings(params.app)) === null) throw notFound('app')
        const format = headers['content-type']?.toLowerCase().startsWith('text/csv') === true ? 'csv' : 'ndjson'
        return await importRegistrations(registry, params.app, readRegistrations(raw, format))
      },
    )
  })
}
