import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import type { AppId, Audience, ChannelId, Registration } from '@wns-fanout/domain'
import {
  audienceSchema,
  formatOf,
  inputErrorsOf,
  mediaTypesFor,
  popcount,
  Problem,
  readChannelIds,
  readJson,
  tagNameSchema,
} from '@wns-fanout/domain'
import type { ChannelChange } from '@wns-fanout/state'
import { TOO_MANY_TOPICS } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { installSchemas } from '../bodies.ts'
import type { ApiDeps } from '../deps.ts'
import { refuseOtherTypes } from '../media-types.ts'
import { notFound } from '../not-found.ts'
import { invalid } from '../problem.ts'
import { uploadBytes } from '../upload-body.ts'
import { progressLines } from './change-progress.ts'
import { answers, appPath, topicQuery } from './shapes.ts'
import { channelsIn } from './uploads.ts'

const count = z.number().int()
export const changeResultSchema = z
  .object({
    matched: count.meta({ description: 'Registered channels that were named.' }),
    updated: count,
    unchanged: count,
    refused: count.meta({ description: 'Channels that would have more than 50 tags.' }),
    unknown: count.meta({ description: 'Ids that are not registered.' }),
  })
  .meta({ id: 'ChangeResult' })
type ChangeResult = z.infer<typeof changeResultSchema>

const bodySchema = z.strictObject({ audience: audienceSchema })
const formats = ['ndjson', 'csv', 'ids'] as const
const MAX_JSON_BYTES = 1_000_000

const summaries: Readonly<Record<ChannelChange['kind'], string>> = {
  tag: 'Add tags to many channels',
  untag: 'Remove tags from many channels',
  delete: 'Remove many channels',
  'opt-out': 'Exclude many channels from every audience, or from the campaigns of a topic',
  'opt-in': 'Include many channels in audiences again',
  activate: 'Open the raw gates of many channels',
}
const kinds = Object.keys(summaries) as readonly ChannelChange['kind'][]

const DESCRIPTION =
  'Body: `{"audience": …}` as `application/json`, or ids: `application/x-ndjson` with lines `{"channel": "…"}`, ' +
  '`text/csv` with a column `channel`, or `text/plain` with one id a line. Gzip allowed for ids. Channels that opted ' +
  'out are part of the audience here. With `Accept: application/x-ndjson` the answer is lines ' +
  '`{"done": n, "matched": n}` and the result as the last line.'

/** Changes of many channels, by their ids or by an audience. */
export function channelChangeRoutes(app: FastifyInstance, deps: ApiDeps, idleMs: number): void {
  installSchemas(app)
  const types = [...mediaTypesFor(formats), 'application/json']
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, (_request, payload, done) => done(null, payload))
  refuseOtherTypes(app, types)
  for (const kind of kinds) changeRoute(app, deps, idleMs, kind)
}

function changeRoute(app: FastifyInstance, deps: ApiDeps, idleMs: number, kind: ChannelChange['kind']): void {
  const isTagging = kind === 'tag' || kind === 'untag'
  const isOpting = kind === 'opt-out' || kind === 'opt-in'
  const tagsQuery = z.strictObject({
    tags: z
      .string()
      .transform((text) => [...new Set(text.split(','))])
      .pipe(z.array(tagNameSchema).min(1).max(50))
      .meta({ description: 'Tag names, joined by commas.' }),
  })
  app.withTypeProvider<ZodTypeProvider>().post(
    `/apps/:app/channels::${kind}`,
    {
      config: { isUpload: true },
      schema: {
        tags: ['channels'],
        summary: summaries[kind],
        description: DESCRIPTION,
        params: appPath,
        querystring: isTagging ? tagsQuery : isOpting ? topicQuery : z.strictObject({}),
        response: answers({ 200: changeResultSchema }),
      },
    },
    async ({ params, query, raw, headers }, reply) => {
      if ((await deps.apps.settings(params.app)) === null) throw notFound('app', params.app)
      const tags = 'tags' in query ? (query['tags'] as readonly string[]) : []
      const topic = 'topic' in query ? (query['topic'] as string | undefined) : undefined
      const change: ChannelChange = isTagging ? { kind, tags } : isOpting ? { kind, topic } : { kind }
      const bytes = uploadBytes(raw, idleMs)
      const format = formatOf(headers['content-type'] ?? '')
      if (format !== undefined && isOpting)
        return await changeOptOuts(deps, params.app, readIds(bytes, format), kind === 'opt-out', topic)
      const { bits, unknown } =
        format === undefined
          ? { bits: await deps.campaigns.audienceBits(params.app, await audienceIn(bytes)), unknown: 0 }
          : await deps.changes.bitsOf(params.app, readIds(bytes, format), randomUUID())
      const matched = popcount(bits)
      const apply = async (onProgress?: (done: number) => void): Promise<ChangeResult> => {
        const counts = await deps.changes.apply(params.app, bits, change, onProgress)
        return { matched, ...counts, unknown }
      }
      if (headers.accept !== 'application/x-ndjson') return await apply()
      return reply
        .type('application/x-ndjson')
        .send(Readable.from(progressLines(matched, apply), { objectMode: false }))
    },
  )
}

function readIds(bytes: AsyncIterable<Buffer>, format: (typeof formats)[number]): AsyncGenerator<ChannelId> {
  return channelsIn(readChannelIds(bytes, format))
}

/** An opt-out outlives the registration, so ids that are not registered count too. */
async function changeOptOuts(
  deps: ApiDeps,
  app: AppId,
  ids: AsyncIterable<ChannelId>,
  isOut: boolean,
  topic: string | undefined,
): Promise<ChangeResult> {
  const result = { matched: 0, updated: 0, unchanged: 0, refused: 0, unknown: 0 }
  let chunk: Registration[] = []
  const flush = async (): Promise<void> => {
    for (const { outcome } of await deps.registry.register(app, chunk)) {
      if (outcome === 'too-many-topics') throw new Problem('invalid', TOO_MANY_TOPICS)
      if (outcome === 'unknown-channel') result.unknown += 1
      else {
        result.matched += 1
        result[outcome === 'updated' ? 'updated' : 'unchanged'] += 1
      }
    }
    chunk = []
  }
  for await (const channel of ids) {
    chunk.push(topic === undefined ? { channel, optedOut: isOut } : { channel, topicPatch: { topic, isOut } })
    if (chunk.length === 500) await flush()
  }
  await flush()
  return result
}

async function audienceIn(bytes: AsyncIterable<Buffer>): Promise<Audience> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of bytes) {
    size += piece.length
    if (size > MAX_JSON_BYTES)
      throw new Problem('too-large', 'a JSON body may have at most 1 MB; upload the ids as lines')
    pieces.push(piece)
  }
  const read = readJson(Buffer.concat(pieces).toString('utf8'))
  if (!read.ok) throw new Problem('malformed-json', `the body is not valid JSON: ${read.detail}`)
  const parsed = bodySchema.safeParse(read.value)
  if (!parsed.success) throw invalid('The body', inputErrorsOf(parsed.error.issues, bodySchema))
  return parsed.data.audience
}
