import { Problem } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { answers, appPath } from './shapes.ts'
import { maxShareSchema } from './max-share.ts'

/** The name that several uploads of one import have in common. */
export const importIdSchema = z
  .string()
  .regex(/^[a-z0-9-]{8,40}$/, { error: 'import must be 8 to 40 characters of a-z, 0-9 and "-", such as a UUID' })

const count = z.number().int()
export const missingResultSchema = z
  .object({
    registered: count.meta({ description: 'Channels before the removal.' }),
    missing: count.meta({ description: 'Registered channels that no line of the import named.' }),
    removed: count.meta({
      description: 'Channels that were removed; those that registered since the import began stay.',
    }),
  })
  .meta({ id: 'MissingResult' })

export function missingChannelRoutes(app: FastifyInstance, { changes, logger }: ApiDeps): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/apps/:app/channels::remove-missing',
    {
      schema: {
        tags: ['channels'],
        summary: 'Remove the channels that an import did not name',
        description:
          'For imports with `?import=…`, until an hour after their last upload. A channel whose line was rejected, or ' +
          'that registered since the import began, stays. Removes nothing when more than `maxShare` of the channels ' +
          'are missing, or when the id of a line could not be read: 409.',
        params: appPath,
        body: z.strictObject({
          import: importIdSchema,
          maxShare: maxShareSchema,
          dryRun: z.boolean().default(false).meta({ description: 'Only count.' }),
        }),
        response: answers({ 200: missingResultSchema }),
      },
    },
    async ({ params, body }) => {
      const found = await changes.missing(params.app, body.import)
      if (found === null) throw notFound('import', body.import)
      const { bits, missing, registered, startedSecond, unreadable } = found
      if (body.dryRun) return { registered, missing, removed: 0 }
      if (unreadable > 0)
        throw new Problem(
          'conflict',
          `the ids of ${unreadable} lines could not be read, so their channels would be removed; correct these lines ` +
            'and import again',
        )
      if (missing > body.maxShare * registered)
        throw new Problem(
          'conflict',
          `${missing} of ${registered} channels are missing, which is more than maxShare ${body.maxShare}; check the ` +
            'file, or raise maxShare',
        )
      const { updated } = await changes.apply(params.app, bits, { kind: 'delete', keptFromSecond: startedSecond })
      logger.info({ app: params.app, removed: updated }, 'channels that an import did not name were removed')
      return { registered, missing, removed: updated }
    },
  )
}
