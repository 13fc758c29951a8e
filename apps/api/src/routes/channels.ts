import type { AppId, Channel, ChannelId, InputError, Parsed, Registration } from '@wns-fanout/domain'
import {
  audienceSchema,
  channelPatchSchema,
  channelRequestSchema,
  channelSchema,
  importLineSchema,
  listedChannelSchema,
  parseChannelPatch,
  parseChannelRequest,
  topicNameSchema,
  warningSchema,
} from '@wns-fanout/domain'
import type { Registered } from '@wns-fanout/state'
import { MAX_TAG_NAMES, TOO_MANY_TOPICS } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { ndjson } from '../ndjson.ts'
import { notFound } from '../not-found.ts'
import { invalid } from '../problem.ts'
import { answers, appPath, bodyJudgedLater, channelPath, nothing, pageOf, pageQuery, topicQuery } from './shapes.ts'

const tags = ['channels']
const registeredChannelSchema = channelSchema
  .extend({
    movedFrom: z.string().meta({ description: 'The channel that had this URI before and lost it.' }).optional(),
  })
  .meta({ id: 'RegisteredChannel' })

export function channelRoutes(app: FastifyInstance, { apps, registry, campaigns, logger }: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  const mustExist = async (id: AppId): Promise<void> => {
    if ((await apps.settings(id)) === null) throw notFound('app', id)
  }
  const view = async (id: AppId, channelId: ChannelId): Promise<Channel> => {
    const channel = await registry.get(id, channelId)
    if (channel === null) throw notFound('channel', channelId)
    return channel
  }
  const register = async (id: AppId, registration: Registration): Promise<Registered> => {
    const settings = await apps.settings(id)
    if (settings === null) throw notFound('app', id)
    const [registered] = await registry.register(id, [registration], { sharedUri: settings.sharedUri })
    const { outcome, movedFrom } = registered ?? { outcome: 'too-many-tags' }
    if (outcome === 'too-many-tags') throw invalid('The body', [tooManyTags])
    if (outcome === 'too-many-topics') throw invalid('The body', [tooManyTopics])
    if (outcome === 'too-many-vars') throw invalid('The body', [tooManyVars])
    if (outcome === 'unknown-channel') throw notFound('channel', registration.channel)
    if (movedFrom !== undefined)
      logger.info({ app: id, channel: registration.channel, from: movedFrom }, 'a channel URI moved to another channel')
    return { outcome, ...(movedFrom === undefined ? {} : { movedFrom }) }
  }
  api.get(
    '/apps/:app/channels',
    {
      schema: {
        tags,
        summary: 'The channels of an app, or those that opted out',
        description:
          'In the order of their registration. With `optedOut=true` those that opted out in general or of a topic, ' +
          'also ids that are not registered any more; with `topic` those that opted out of this topic.',
        params: appPath,
        querystring: listQuery,
        response: answers({ 200: pageOf(listedChannelSchema) }),
      },
    },
    async ({ params, query }) => {
      await mustExist(params.app)
      const { optedOut, ...rest } = query
      return registry.list(params.app, {
        ...rest,
        ...(optedOut === undefined ? {} : { optedOut: optedOut === 'true' }),
      })
    },
  )

  api.put(
    '/apps/:app/channels/:channel',
    {
      schema: {
        tags,
        summary: 'Register a channel, or change it',
        description: 'An absent field keeps its value, `null` clears it.',
        params: channelPath,
        body: channelRequestSchema,
        response: answers({ 200: registeredChannelSchema, 201: registeredChannelSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async ({ params, body }, reply) => {
      const registration = registrationOf(params.channel, body, parseChannelRequest)
      const { outcome, movedFrom } = await register(params.app, registration)
      reply.code(outcome === 'created' ? 201 : 200)
      return { ...(await view(params.app, params.channel)), ...(movedFrom === undefined ? {} : { movedFrom }) }
    },
  )

  api.patch(
    '/apps/:app/channels/:channel',
    {
      schema: {
        tags,
        summary: 'Change a registered channel',
        description:
          'A JSON merge patch: an absent field keeps its value, `null` clears it, and `vars` names only the variables ' +
          'that change. The URI may be absent.',
        params: channelPath,
        body: channelPatchSchema,
        response: answers({ 200: registeredChannelSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async ({ params, body }) => {
      const registration = registrationOf(params.channel, body, parseChannelPatch)
      await mustExist(params.app)
      await view(params.app, params.channel)
      const { movedFrom } = await register(params.app, registration)
      return { ...(await view(params.app, params.channel)), ...(movedFrom === undefined ? {} : { movedFrom }) }
    },
  )

  api.get(
    '/apps/:app/channels/:channel',
    { schema: { tags, summary: 'A channel', params: channelPath, response: answers({ 200: channelSchema }) } },
    ({ params }) => view(params.app, params.channel),
  )

  api.delete(
    '/apps/:app/channels/:channel',
    { schema: { tags, summary: 'Remove a channel', params: channelPath, response: answers({ 204: nothing }) } },
    async ({ params }, reply) => {
      mustHave(params.channel, await registry.unregister(params.app, params.channel))
      return reply.code(204).send(null)
    },
  )

  api.post(
    '/apps/:app/channels/:channel/active',
    {
      schema: {
        tags,
        summary: 'The app runs on the device: raw notifications may be sent to it again',
        params: channelPath,
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      mustHave(params.channel, await registry.markActive(params.app, params.channel))
      return reply.code(204).send(null)
    },
  )

  for (const isOut of [true, false])
    api.route({
      method: isOut ? 'PUT' : 'DELETE',
      url: '/apps/:app/channels/:channel/opt-out',
      schema: {
        tags,
        summary: isOut ? 'Exclude a channel from every audience' : 'Include a channel in audiences again',
        params: channelPath,
        querystring: topicQuery,
        response: answers({ 204: nothing }),
      },
      handler: async ({ params, query }, reply) => {
        mustHave(params.channel, await registry.setOptOut(params.app, params.channel, isOut, query.topic))
        return reply.code(204).send(null)
      },
    })

  api.get(
    '/apps/:app/channels::export',
    {
      schema: {
        tags,
        summary: 'Every channel with its URI and opt-outs, as lines that an import accepts',
        params: appPath,
        response: answers({ 200: { content: { 'application/x-ndjson': { schema: importLineSchema } } } }),
      },
    },
    async ({ params }, reply) => {
      await mustExist(params.app)
      return reply.type('application/x-ndjson').send(ndjson(registry.exportChannels(params.app)))
    },
  )

  api.post(
    '/apps/:app/channels::count',
    {
      schema: {
        tags,
        summary: 'Count the channels of an audience',
        params: appPath,
        body: z.strictObject({
          audience: audienceSchema,
          topic: topicNameSchema.optional().meta({ description: 'The topic of the campaign to count for.' }),
        }),
        response: answers({
          200: z.object({
            count: z.number().int().meta({ description: 'Channels that would be recipients.' }),
            optedOut: z.number().int().meta({ description: 'Channels of the audience that opted out in general.' }),
            optedOutOfTopic: z
              .number()
              .int()
              .optional()
              .meta({ description: 'Other channels of it that opted out of the topic; only with `topic`.' }),
            warnings: z
              .array(warningSchema)
              .optional()
              .meta({ description: 'Tags that no channel has, and why the audience is empty.' }),
          }),
        }),
      },
    },
    async ({ params, body }) => {
      await mustExist(params.app)
      const { audience, topic } = body
      const { size, optedOut, optedOutOfTopic, warnings } = await campaigns.audienceCounts(params.app, audience, topic)
      return {
        count: size,
        optedOut,
        ...(topic === undefined ? {} : { optedOutOfTopic }),
        ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
      }
    },
  )
}

const tooManyTags: InputError = {
  path: ['tags'],
  code: 'too-many-tags',
  detail: `an app may have at most ${MAX_TAG_NAMES} tag names; use one that exists`,
}

const listQuery = pageQuery
  .extend({
    after: z
      .string()
      .regex(/^[0-9a-z]{1,8}$/, { error: 'after must be the next of a page of this list' })
      .meta({ description: 'The `next` of the page before.' })
      .optional(),
    optedOut: z.enum(['true', 'false']).optional(),
    topic: topicNameSchema.optional(),
  })
  .refine(({ topic, optedOut }) => topic === undefined || optedOut === 'true', {
    path: ['topic'],
    error: 'topic needs optedOut=true; add it',
  })

const tooManyTopics: InputError = { path: ['optedOutOf'], code: 'too-many-topics', detail: TOO_MANY_TOPICS }

const tooManyVars: InputError = {
  path: ['vars'],
  code: 'too-many-vars',
  detail: 'a channel may have at most 20 variables; remove some with null',
}

function mustHave(channel: ChannelId, found: boolean): void {
  if (!found) throw notFound('channel', channel)
}

/** The registration in a body. Throws `invalid` with all errors, those of the URI too. */
function registrationOf(
  channel: ChannelId,
  body: unknown,
  parse: (channel: ChannelId, body: object) => Parsed<Registration>,
): Registration {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('The body', [{ path: [], code: 'wrong-type', detail: 'the body must be a JSON object' }])
  const parsed = parse(channel, body)
  if (parsed.ok && !('channel' in body)) return parsed.value
  throw invalid('The body', [
    ...(parsed.ok ? [] : parsed.inputErrors),
    ...('channel' in body
      ? [{ path: ['channel'], code: 'unknown-field', detail: 'the path names the channel; remove the field' }]
      : []),
  ])
}
