import type { AppSettings, Campaign, CampaignRef, CampaignRequest, InputError, Result } from '@wns-fanout/domain'
import {
  campaignBodySchema,
  campaignRequestSchema,
  campaignSchema,
  campaignStates,
  classes,
  estimateSchema,
  haltCauses,
  inputErrorsOf,
  lintInput,
  MAX_VARIANTS,
  Problem,
  replaySchema,
  resultReasons,
  resultSchema,
  sampleSchema,
} from '@wns-fanout/domain'
import { timeErrors } from '@wns-fanout/fanout'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { answerOnce } from '../idempotent.ts'
import { csv, ndjson } from '../ndjson.ts'
import { notFound } from '../not-found.ts'
import { invalid } from '../problem.ts'
import { withTemplate } from '../resolve-template.ts'
import type { ProgressStreams } from '../sse.ts'
import { answers, appPath, bodyJudgedLater, campaignPath, pageOf, pageQuery } from './shapes.ts'

const tags = ['campaigns']

const resultColumns = ['channel', 'class', 'status', 'reason', 'posts']

export function campaignRoutes(app: FastifyInstance, deps: ApiDeps, progress: ProgressStreams): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const { apps, campaigns } = deps

  const mustGet = async (ref: CampaignRef): Promise<Campaign> => {
    const campaign = await campaigns.get(ref)
    if (campaign === null) throw notFound('campaign', ref.campaign)
    return campaign
  }

  api.post(
    '/apps/:app/campaigns',
    {
      schema: {
        tags,
        summary: 'Send a notification to an audience',
        description:
          'With `dryRun` nothing is stored, and the answer is 200 with what would happen. A repeat with the same ' +
          '`Idempotency-Key` within 24 hours gets the first answer again, with `Idempotency-Replayed: true`.',
        params: appPath,
        headers: z.object({ 'idempotency-key': z.string().optional() }),
        body: campaignBodySchema,
        response: answers({ 200: estimateSchema, 201: campaignSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async (asked, reply) => {
      const { params, body, headers, caller } = asked
      const key = idempotencyKey(headers['idempotency-key'])
      const settings = await apps.settings(params.app)
      if (settings === null) throw notFound('app', params.app)
      const request = campaignOf(await withTemplate(deps.templates, params.app, body), settings)
      if (request.dryRun === true) {
        const forecast = await campaigns.forecast(settings, request)
        await campaigns.rejectImpersonal(settings, request)
        return { ...forecast, credentials: await deps.lastVerification(params.app) }
      }
      const create = async () => {
        await campaigns.rejectImpersonal(settings, request)
        const made = await campaigns.create(settings, request, {
          idempotencyKey: key,
          createdBy: caller?.id,
          onCounted: (recipients) => {
            asked.auditedRecipients = recipients
          },
        })
        return { status: 201, body: JSON.stringify(made) }
      }
      if (key === undefined) {
        const { status, body: text } = await create()
        return reply.code(status).type(JSON_TYPE).serializer(asIs).send(text)
      }
      const answer = await answerOnce(deps.idempotency, { app: params.app, key, request: body }, create)
      if (answer.replayed) reply.header('idempotency-replayed', 'true')
      else deps.reached?.('answer-kept')
      return reply.code(answer.status).type(JSON_TYPE).serializer(asIs).send(answer.body)
    },
  )

  api.get(
    '/apps/:app/campaigns',
    {
      schema: {
        tags,
        summary: 'The campaigns of an app, newest first',
        params: appPath,
        querystring: pageQuery.extend({ state: z.enum(campaignStates).optional() }),
        response: answers({ 200: pageOf(campaignSchema) }),
      },
    },
    async ({ params, query: { state, after, limit } }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      return await campaigns.list(params.app, {
        limit,
        ...(state === undefined ? {} : { state }),
        ...(after === undefined ? {} : { after }),
      })
    },
  )

  api.get(
    '/campaigns/:campaign',
    { schema: { tags, summary: 'A campaign', params: campaignPath, response: answers({ 200: campaignSchema }) } },
    (request) => mustGet(campaignIn(request)),
  )

  for (const [action, summary] of [
    ['pause', 'Stop sending a campaign for now'],
    ['approve', 'Send the rest after a canary that waits for approval'],
    ['cancel', 'End a campaign; what was not sent is cancelled'],
  ] as const)
    api.post(
      `/campaigns/:campaign/${action}`,
      { schema: { tags, summary, params: campaignPath, response: answers({ 200: campaignSchema }) } },
      (request) => campaigns[action](campaignIn(request)),
    )

  api.post(
    '/campaigns/:campaign/resume',
    {
      schema: {
        tags,
        summary: 'Send a paused or halted campaign again',
        description:
          'A halted campaign needs `accept` with the reason of the halt. It then does not halt for that reason again. ' +
          'The log contains the decision with the id of the API key.',
        params: campaignPath,
        body: z.strictObject({ accept: z.enum(haltCauses).optional() }).nullish(),
        response: answers({ 200: campaignSchema }),
      },
    },
    async ({ campaign: found, body, caller }) => {
      const accepted = body?.accept
      const campaign = await campaigns.resume(campaignIn({ campaign: found }), accepted)
      if (accepted !== undefined)
        deps.logger.warn(
          { app: campaign.app, campaign: campaign.id, reason: accepted, key: caller?.id },
          'halt accepted: the campaign is resumed',
        )
      return campaign
    },
  )

  api.post(
    '/campaigns/:campaign/retry-failed',
    {
      schema: {
        tags,
        summary: 'Send again to the recipients that failed or lapsed',
        params: campaignPath,
        body: z.strictObject({ includeInDoubt: z.boolean().optional() }).nullish(),
        response: answers({ 201: campaignSchema }),
      },
    },
    async (request, reply) => {
      const { body } = request
      const child = await campaigns.retryFailed(
        campaignIn(request),
        body?.includeInDoubt === undefined ? {} : { includeInDoubt: body.includeInDoubt },
        request.caller?.id,
      )
      return reply.code(201).send(child)
    },
  )

  api.post(
    '/campaigns/:campaign/retry',
    {
      schema: {
        tags,
        summary: 'Send again to the recipients with certain results',
        description:
          'A recipient matches by its class and its reason; without one of the two lists, any matches. The 30-minute ' +
          'guard applies. The campaign must be finished or halted.',
        params: campaignPath,
        body: replaySchema,
        response: answers({ 201: campaignSchema }),
      },
    },
    async (request, reply) =>
      reply.code(201).send(await campaigns.retry(campaignIn(request), request.body, request.caller?.id)),
  )

  api.get(
    '/campaigns/:campaign/events',
    {
      schema: {
        tags,
        summary: 'The progress of a campaign as server-sent events',
        description: '`event: progress` with a Campaign, at most once a second and at each change of state.',
        params: campaignPath,
        response: answers({ 200: { content: { 'text/event-stream': { schema: campaignSchema } } } }),
      },
    },
    async (request, reply) => {
      const ref = campaignIn(request)
      const campaign = await mustGet(ref)
      if (progress.clients >= MAX_STREAMS)
        throw new Problem('unavailable', 'too many progress streams are open; retry later', {
          retryAfterSeconds: 10,
        })
      reply.hijack()
      progress.add(ref, campaign, reply.raw, reply.getHeaders() as Record<string, string>)
    },
  )

  api.get(
    '/campaigns/:campaign/results',
    {
      schema: {
        tags,
        summary: 'The outcome for each recipient',
        description: 'Lines of JSON, or a CSV with `Accept: text/csv`.',
        params: campaignPath,
        querystring: z.strictObject({
          class: z.enum(classes).optional(),
          reason: z.enum(resultReasons).optional(),
        }),
        response: answers({
          200: { content: { 'application/x-ndjson': { schema: resultSchema }, 'text/csv': { schema: z.string() } } },
        }),
      },
    },
    async (request, reply) => {
      const results = await campaigns.results(campaignIn(request), request.query)
      return wantsCsv(request.headers.accept)
        ? reply.type('text/csv; charset=utf-8').send(csv(results, resultColumns, rowOf))
        : reply.type('application/x-ndjson').send(ndjson(results))
    },
  )

  api.get(
    '/campaigns/:campaign/samples',
    {
      schema: {
        tags,
        summary: 'Details of the responses of WNS, failures first',
        params: campaignPath,
        response: answers({ 200: z.object({ items: z.array(sampleSchema) }) }),
      },
    },
    (request) => campaigns.samples(campaignIn(request)),
  )
}

function campaignIn({ campaign }: Pick<FastifyRequest, 'campaign'>): CampaignRef {
  if (campaign === null) throw new Error('authorization did not set the campaign of the path')
  return campaign
}

const JSON_TYPE = 'application/json; charset=utf-8'
// The text is JSON already.
function asIs(text: unknown): string {
  return String(text)
}

// Each stream holds a socket; the limit leaves room for other requests.
const MAX_STREAMS = 2000

/**
 * The campaign in a body. Throws the errors of its shape, and with them those of a notification and of times whose
 * shape is right. A campaign whose shape is right is checked by the clock of Redis when it is created.
 */
function campaignOf(body: unknown, { credentialsKind }: AppSettings): CampaignRequest {
  refuseManyVariants(body)
  const parsed = campaignRequestSchema.safeParse(body)
  if (parsed.success) return parsed.data
  throw invalid('The campaign', [
    ...inputErrorsOf(parsed.error.issues, campaignBodySchema),
    ...notificationErrors(body, credentialsKind),
    ...timeErrorsIn(body),
  ])
}

/** Throws for more variants than are possible before each of them is checked, which takes seconds for a full body. */
export function refuseManyVariants(campaign: unknown, path: readonly string[] = []): void {
  const notification = memberOf(campaign, 'notification')
  const variants = memberOf(notification, 'variants')
  const count = typeof variants === 'object' && variants !== null ? Object.keys(variants).length : 0
  if (count <= MAX_VARIANTS) return
  const detail = `${count} variants; at most ${MAX_VARIANTS} are possible`
  throw invalid('The campaign', [{ path: [...path, 'notification', 'variants'], code: 'out-of-range', detail }])
}

/** A member of a body that was not checked yet. */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined
}

/** Errors of a notification beyond those of its shape, in a body whose shape may be wrong. */
export function notificationErrors(body: unknown, credentialsKind: AppSettings['credentialsKind']): InputError[] {
  if (typeof body !== 'object' || body === null || !('notification' in body)) return []
  return lintInput(body.notification, { credentialsKind }).map((inputError) => ({
    ...inputError,
    path: ['notification', ...inputError.path],
  }))
}

const timesSchema = campaignRequestSchema.pick({ startAt: true, expiresAt: true }).strip()

/** Errors of times whose shape is right. The clock of this machine is good enough to report them with all others. */
function timeErrorsIn(body: unknown): InputError[] {
  const times = timesSchema.safeParse(body)
  return times.success ? timeErrors(times.data, Date.now()) : []
}

function idempotencyKey(key: string | undefined): string | undefined {
  if (key === undefined || /^[!-~]{1,255}$/.test(key)) return key
  throw new Problem('invalid', 'an Idempotency-Key must be 1 to 255 printable ASCII characters without spaces')
}

function wantsCsv(accept: string | undefined): boolean {
  return /(^|,)\s*text\/csv\b/i.test(accept ?? '')
}

function rowOf({ channel, class: name, status, reason, posts }: Result): string[] {
  return [channel, name, status === undefined ? '' : String(status), reason ?? '', String(posts)]
}
