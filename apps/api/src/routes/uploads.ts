import type { IncomingHttpHeaders } from 'node:http'
import type { AppId, ChannelId, ChannelIdLine, ImportResult, UploadFormat } from '@wns-fanout/domain'
import {
  acceptedLines,
  formatOf,
  importResultSchema,
  mediaTypesFor,
  oddFieldPolicies,
  Problem,
  readChannelIds,
  readRegistrations,
} from '@wns-fanout/domain'
import { ImportEndedEarlyError, importRegistrations } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { installSchemas } from '../bodies.ts'
import type { ApiDeps } from '../deps.ts'
import { refuseOtherTypes } from '../media-types.ts'
import { notFound } from '../not-found.ts'
import { invalid, problemFrom } from '../problem.ts'
import { uploadBytes } from '../upload-body.ts'
import { importIdSchema } from './missing-channels.ts'
import { answers, appPath, listPath } from './shapes.ts'

export const listSchema = z
  .object({ list: z.string(), size: z.number().int(), unknown: z.number().int() })
  .meta({ id: 'List' })

const importFormats = ['ndjson', 'csv'] as const
const listFormats = ['ndjson', 'csv', 'ids'] as const

/**
 * Routes whose body is a stream of lines. They have no body limit but those of the parser (a line, the whole) and of
 * upload-body.ts (the ratio of a gzip, the time without bytes).
 *
 * @param idleMs the longest time without bytes
 */
export function uploadRoutes(app: FastifyInstance, deps: ApiDeps, idleMs: number): void {
  installSchemas(app)
  void app.register(async (imports) => {
    acceptStreams(imports, importFormats)
    importRoute(imports, deps, idleMs)
  })
  void app.register(async (lists) => {
    acceptStreams(lists, listFormats)
    listRoute(lists, deps, idleMs)
  })
}

function acceptStreams(app: FastifyInstance, formats: readonly UploadFormat[]): void {
  const types = mediaTypesFor(formats)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, (_request, payload, done) => done(null, payload))
  refuseOtherTypes(app, types)
}

function importRoute(app: FastifyInstance, { apps, registry, changes, logger }: ApiDeps, idleMs: number): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/apps/:app/channels::import',
    {
      config: { isUpload: true },
      schema: {
        tags: ['channels'],
        summary: 'Register many channels',
        description:
          'Body: `application/x-ndjson` with lines like those of the export, or `text/csv` with the header ' +
          '`channel,uri,tags,locale,timeZone,optedOut,optedOutOf,registeredAt`, with tags and topics joined by `;`. ' +
          'Gzip allowed. A known channel keeps the fields ' +
          'that a line does not name, its URI too, and `null` clears a field. Broken lines are ' +
          'reported and the others are registered; 422 when no line was accepted. ' +
          'With `oddFields=skip-field`, a locale, time zone or tag that is not valid is left out and reported, and its ' +
          'line is registered.',
        params: appPath,
        querystring: z.strictObject({
          oddFields: z.enum(oddFieldPolicies).optional(),
          import: importIdSchema
            .meta({ description: 'Uploads with the same name within an hour are one import, for `remove-missing`.' })
            .optional(),
          dryRun: z
            .enum(['true', 'false'])
            .meta({ description: 'Register nothing: `created` counts the ids that are new, `unchanged` the others.' })
            .optional(),
        }),
        response: answers({ 200: importResultSchema }),
      },
    },
    async ({ params, query, raw, headers }) => {
      const settings = await apps.settings(params.app)
      if (settings === null) throw notFound('app', params.app)
      const lines = readRegistrations(uploadBytes(raw, idleMs), formatFor(headers, importFormats), query.oddFields)
      try {
        const result = await importRegistrations(registry, params.app, lines, {
          sharedUri: settings.sharedUri,
          ...(query.import === undefined ? {} : { named: { id: query.import, changes } }),
          isDryRun: query.dryRun === 'true',
        })
        logMoves(params.app, result)
        // Of a named import this is one upload of several.
        if (acceptedLines(result) === 0 && (query.import === undefined || result.rejected === 0))
          throw nothingAccepted(result)
        return result
      } catch (error) {
        if (!(error instanceof ImportEndedEarlyError)) throw error
        logMoves(params.app, error.result)
        logger.warn({ app: params.app, ...countsOf(error.result) }, 'an upload ended early')
        throw withCounts(problemFrom(error.cause), error.result)
      }
    },
  )

  function logMoves(id: AppId, { moved, moves }: ImportResult): void {
    if (moved > 0) logger.info({ app: id, moved, moves }, 'channel URIs moved to other channels')
  }
}

function formatFor<Format extends UploadFormat>(headers: IncomingHttpHeaders, formats: readonly Format[]): Format {
  const format = formatOf(headers['content-type'] ?? '')
  return formats.find((one) => one === format) ?? (formats[0] as Format)
}

function countsOf({
  errors: _,
  moves: __,
  rejectedLines: ___,
  skippedFields,
  ...counts
}: ImportResult): Record<string, number> {
  return { ...counts, ...(skippedFields === undefined ? {} : { skippedFields }) }
}

/** A refusal that carries the counts of the lines before it, which are registered. */
function withCounts(problem: Problem, result: ImportResult): Problem {
  const accepted = acceptedLines(result)
  if (accepted + result.rejected === 0) return problem
  return new Problem(
    problem.code,
    `${problem.message}; before that ${accepted} lines were accepted and ${result.rejected} were rejected`,
    {
      inputErrors: problem.inputErrors,
      extra: { ...problem.extra, ...countsOf(result) },
      ...(problem.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: problem.retryAfterSeconds }),
      cause: problem.cause,
    },
  )
}

function nothingAccepted(result: ImportResult): Problem {
  const { errors, rejected } = result
  if (rejected === 0) return new Problem('invalid', 'The upload holds no line; wanted one channel on each line')
  const problem = invalid(
    'The upload, of which no line was accepted,',
    errors.map(({ line, code, detail, count }) => ({
      path: [line],
      code,
      detail: count === 1 ? detail : `${detail} (${count} lines)`,
    })),
  )
  return new Problem(problem.code, problem.message, { inputErrors: problem.inputErrors, extra: countsOf(result) })
}

function listRoute(app: FastifyInstance, { apps, lists }: ApiDeps, idleMs: number): void {
  app.withTypeProvider<ZodTypeProvider>().put(
    '/apps/:app/lists/:list',
    {
      config: { isUpload: true },
      schema: {
        tags: ['lists'],
        summary: 'Upload a list of channels, kept for 30 days',
        description:
          'Body: `application/x-ndjson` with lines `{"channel": "…"}`, `text/csv` with a column `channel`, or ' +
          '`text/plain` with one id a line. Other fields and columns are ignored, so results can be uploaded as they ' +
          'are. Gzip allowed.',
        params: listPath,
        response: answers({ 200: listSchema }),
      },
    },
    async ({ params, raw, headers }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const channels = channelsIn(readChannelIds(uploadBytes(raw, idleMs), formatFor(headers, listFormats)))
      return { list: params.list, ...(await lists.put(params.app, params.list, channels)) }
    },
  )
}

const MAX_LIST_FAULTS = 100

/**
 * Throws `invalid` with the first hundred errors, by line, after the last line: a list without some of its channels is
 * not the list that was meant.
 */
export async function* channelsIn(lines: AsyncIterable<ChannelIdLine>): AsyncGenerator<ChannelId> {
  const errors: { path: number[]; code: string; detail: string }[] = []
  for await (const line of lines) {
    if ('channel' in line) yield line.channel
    else if (errors.length < MAX_LIST_FAULTS) errors.push({ path: [line.line], ...line.issue })
  }
  if (errors.length > 0) throw invalid('The list (pointers begin with the line)', errors)
}
