import { Readable } from 'node:stream'
import type { AppId } from '@wns-fanout/domain'
import { instantSchema, ordinalsIn, popcount, Problem } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { notFound } from '../not-found.ts'
import type { ApiDeps } from '../deps.ts'
import { progressLines } from './change-progress.ts'
import { answers, appPath } from './shapes.ts'
import { maxShareSchema } from './max-share.ts'

const count = z.number().int()
export const cleanupResultSchema = z
  .object({
    registered: count.meta({ description: 'Channels before the cleanup.' }),
    matched: count.meta({ description: 'Channels that last registered before the given time.' }),
    removed: count.meta({ description: 'Channels that were removed; those that registered in the meantime stay.' }),
    sample: z
      .array(z.object({ channel: z.string(), registeredAt: z.string(), tags: z.array(z.string()) }))
      .meta({ description: 'At most ten of the matched channels, evenly spread.' }),
  })
  .meta({ id: 'CleanupResult' })

const SAMPLE_SIZE = 10

/** Removal of channels whose devices have not registered for long. */
export function cleanupRoutes(app: FastifyInstance, { apps, campaigns, changes, registry, logger }: ApiDeps): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/apps/:app/channels::cleanup',
    {
      schema: {
        tags: ['channels'],
        summary: 'Remove the channels that have not registered for long',
        description:
          'WNS channels expire after 30 days, and apps register again when they start. Removes nothing when more than ' +
          '`maxShare` of the channels match: 409. Opt-outs stay. With `Accept: application/x-ndjson` the answer is ' +
          'lines `{"done": n, "matched": n}` and the result as the last line.',
        params: appPath,
        body: z.strictObject({
          registeredBefore: instantSchema.meta({ description: 'Channels whose `registeredAt` is earlier match.' }),
          maxShare: maxShareSchema,
          dryRun: z.boolean().default(false).meta({ description: 'Only count, and show the sample.' }),
        }),
        response: answers({ 200: cleanupResultSchema }),
      },
    },
    async ({ params, body, headers }, reply) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const { registeredBefore, maxShare, dryRun } = body
      const bits = await campaigns.audienceBits(params.app, { registeredBefore })
      const matched = popcount(bits)
      const registered = await registry.count(params.app)
      const found = { registered, matched, removed: 0, sample: await sampleOf(params.app, bits, matched) }
      if (dryRun) return found
      if (matched > maxShare * registered)
        throw new Problem(
          'conflict',
          `${matched} of ${registered} channels have not registered since ${registeredBefore}, which is more than ` +
            `maxShare ${maxShare}; look at them with dryRun, then raise maxShare`,
        )
      const remove = async (onProgress?: (done: number) => void): Promise<typeof found> => {
        const keptFromSecond = Math.ceil(Date.parse(registeredBefore) / 1000)
        const { updated } = await changes.apply(params.app, bits, { kind: 'delete', keptFromSecond }, onProgress)
        logger.info({ app: params.app, removed: updated, registeredBefore }, 'channels were removed by a cleanup')
        return { ...found, removed: updated }
      }
      if (headers.accept !== 'application/x-ndjson') return await remove()
      return reply
        .type('application/x-ndjson')
        .send(Readable.from(progressLines(matched, remove), { objectMode: false }))
    },
  )

  async function sampleOf(
    id: AppId,
    bits: Buffer,
    matched: number,
  ): Promise<z.infer<typeof cleanupResultSchema>['sample']> {
    const step = Math.max(1, matched / SAMPLE_SIZE)
    const chosen: number[] = []
    let at = 0
    for (const ordinal of ordinalsIn(bits, 0)) {
      if (at >= chosen.length * step) chosen.push(ordinal)
      if (chosen.length === SAMPLE_SIZE) break
      at += 1
    }
    const channels = await Promise.all(chosen.map((ordinal) => registry.at(id, ordinal)))
    return channels.map(({ channel, registeredAt, tags }) => ({ channel, registeredAt, tags }))
  }
}
