import type { App, AppId, UnreadableApp } from '@wns-fanout/domain'
import {
  appPatchSchema,
  appRequestSchema,
  appSchema,
  unreadableAppSchema,
  verificationSchema,
} from '@wns-fanout/domain'
import type { AppRecord } from '@wns-fanout/state'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { maySee } from '../auth.ts'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { problemFrom } from '../problem.ts'
import { putApp, rejectProtected } from '../protected-settings.ts'
import { ifMatchHeader, tagsIn } from '../if-match.ts'
import { answers, appPath, nothing, pageOf, pageQuery } from './shapes.ts'

const tags = ['apps']

export function appRoutes(app: FastifyInstance, deps: ApiDeps): void {
  const api = app.withTypeProvider<ZodTypeProvider>()
  const { apps } = deps

  const view = async (id: AppId, reply: FastifyReply): Promise<App> => {
    const record = await apps.get(id)
    if (record === null) throw notFound('app', id)
    reply.header('etag', `"${record.etag}"`)
    return await showApp(deps, record)
  }

  // One app that cannot be read must not take the list with it.
  const listed = async (id: AppId): Promise<App | UnreadableApp | null> => {
    try {
      const record = await apps.get(id)
      return record === null ? null : await showApp(deps, record)
    } catch (error) {
      if (problemFrom(error).code !== 'internal') throw error
      deps.logger.error({ app: id, err: error }, 'the stored record of an app cannot be read')
      return { app: id, problem: 'its stored record cannot be read; put the app again' }
    }
  }

  api.get(
    '/apps',
    {
      schema: {
        tags,
        summary: 'The apps',
        description: 'An app whose stored record cannot be read is listed with its `problem` alone.',
        querystring: pageQuery,
        response: answers({ 200: pageOf(z.union([appSchema, unreadableAppSchema])) }),
      },
    },
    async ({ caller, query: { after, limit } }) => {
      const visible = (await apps.list()).filter(
        (id) => caller !== null && maySee(caller, id) && (after === undefined || id > after),
      )
      const ids = visible.slice(0, limit)
      const items = (await Promise.all(ids.map((id) => listed(id)))).filter((item) => item !== null)
      const last = ids.at(-1)
      return { items, ...(visible.length > limit && last !== undefined ? { next: last } : {}) }
    },
  )

  api.put(
    '/apps/:app',
    {
      schema: {
        tags,
        summary: 'Create or replace an app',
        params: appPath,
        headers: ifMatchHeader,
        body: appRequestSchema,
        response: answers({ 200: appSchema, 201: appSchema }),
      },
    },
    async ({ params, body, headers, caller }, reply) => {
      const ifMatch = tagsIn(headers['if-match'])
      const { created } = await putApp(apps, params.app, body, caller, ifMatch)
      reply.code(created ? 201 : 200)
      return await view(params.app, reply)
    },
  )

  api.patch(
    '/apps/:app',
    {
      schema: {
        tags,
        summary: 'Change settings of an app',
        description: 'A JSON merge patch: an absent setting stays, `null` gives it its default. Credentials stay.',
        params: appPath,
        headers: ifMatchHeader,
        body: appPatchSchema,
        response: answers({ 200: appSchema }),
      },
    },
    async ({ params, body, headers, caller }, reply) => {
      rejectProtected(caller, body, await apps.settings(params.app))
      if (!(await apps.patch(params.app, body, tagsIn(headers['if-match'])))) throw notFound('app', params.app)
      return await view(params.app, reply)
    },
  )

  api.get(
    '/apps/:app',
    { schema: { tags, summary: 'An app', params: appPath, response: answers({ 200: appSchema }) } },
    ({ params }, reply) => view(params.app, reply),
  )

  api.delete(
    '/apps/:app',
    {
      schema: {
        tags,
        summary: 'Remove an app with its channels, lists and finished campaigns',
        params: appPath,
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      if (!(await apps.delete(params.app))) throw notFound('app', params.app)
      return reply.code(204).send(null)
    },
  )

  api.post(
    '/apps/:app/verify',
    {
      schema: {
        tags,
        summary: 'Ask the token service for a token now',
        params: appPath,
        response: answers({ 200: verificationSchema }),
      },
    },
    async ({ params }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      return await deps.verifyCredentials(params.app)
    },
  )

  for (const [action, state] of [
    ['pause', 'paused'],
    ['resume', 'active'],
  ] as const)
    api.post(
      `/apps/:app/${action}`,
      {
        schema: {
          tags,
          summary: action === 'pause' ? 'Stop sending for an app' : 'Send again for an app',
          params: appPath,
          response: answers({ 200: appSchema }),
        },
      },
      async ({ params }, reply) => {
        if (!(await apps.setState(params.app, state))) throw notFound('app', params.app)
        return await view(params.app, reply)
      },
    )
}

async function showApp(deps: ApiDeps, record: AppRecord): Promise<App> {
  const { settings, state, stopped, credentials, breaker, createdBy } = record
  const [channels, rate] = await Promise.all([deps.registry.count(settings.app), deps.rateOf(record)])
  return {
    app: settings.app,
    ...(settings.displayName === undefined ? {} : { displayName: settings.displayName }),
    credentials,
    ratePerSecond: settings.ratePerSecond,
    burst: settings.burst,
    genericIntervalSeconds: settings.genericIntervalSeconds,
    ...(settings.allowFasterThanGuideline === undefined
      ? {}
      : { allowFasterThanGuideline: settings.allowFasterThanGuideline }),
    maxAttempts: settings.maxAttempts,
    retentionDays: settings.retentionDays,
    sharedUri: settings.sharedUri,
    rawGates: settings.rawGates,
    ...(settings.quietHours === undefined ? {} : { quietHours: settings.quietHours }),
    ...(settings.confirmAbove === undefined ? {} : { confirmAbove: settings.confirmAbove }),
    ...(settings.limits === undefined ? {} : { limits: settings.limits }),
    state,
    ...(stopped === undefined ? {} : { stopped }),
    channels,
    effectiveRatePerSecond: rate.effectiveRatePerSecond,
    ...(rate.throttledUntilMs === undefined ? {} : { throttledUntil: new Date(rate.throttledUntilMs).toISOString() }),
    ...(breaker === undefined ? {} : { breaker: { reason: breaker.reason, since: breaker.since } }),
    ...(createdBy === undefined ? {} : { createdBy }),
    etag: record.etag,
  }
}
