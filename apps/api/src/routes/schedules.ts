import type { AppId, AppSettings, Schedule, ScheduleRequest, UnreadableSchedule } from '@wns-fanout/domain'
import {
  inputErrorsOf,
  nextRuns,
  resolvedScheduleSchema,
  scheduleRequestSchema,
  scheduleSchema,
  unreadableScheduleSchema,
} from '@wns-fanout/domain'
import { keyIsOver, NO_TIMES, requestErrors } from '@wns-fanout/fanout'
import type { ScheduleRecord, StoredSchedule } from '@wns-fanout/state'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import type { ApiDeps } from '../deps.ts'
import { notFound } from '../not-found.ts'
import { invalid } from '../problem.ts'
import { withTemplate } from '../resolve-template.ts'
import { memberOf, notificationErrors, refuseManyVariants } from './campaigns.ts'
import { answers, appPath, bodyJudgedLater, nothing, pageByName, pageOf, pageQuery, schedulePath } from './shapes.ts'

const tags = ['schedules']
const NEXT_RUNS = 5

export function scheduleRoutes(
  app: FastifyInstance,
  { apps, schedules, campaigns, templates, apiKeys }: ApiDeps,
): void {
  const api = app.withTypeProvider<ZodTypeProvider>()

  const showStored = async (id: AppId, stored: StoredSchedule, nowMs: number) => {
    const shown = readStored(id, stored, nowMs)
    if ('problem' in stored || stored.createdBy === undefined || 'problem' in shown) return shown
    return (await apiKeys.isUsable(stored.createdBy)) ? shown : { ...shown, problem: keyIsOver(stored.createdBy) }
  }

  api.put(
    '/apps/:app/schedules/:schedule',
    {
      schema: {
        tags,
        summary: 'Create or replace a schedule: a campaign that repeats',
        description:
          'Each occurrence becomes one campaign; `overLimit` defaults to `coalesce`. If the clocks skip a time, it ' +
          'runs that much later; if they show it twice, it runs the first time. ' +
          'It runs only while the API key that last put it is valid: to put it with another key hands it over. ' +
          'The answer has `warnings` as that of a campaign has.',
        params: schedulePath,
        body: scheduleRequestSchema,
        response: answers({ 200: scheduleSchema }),
      },
      validatorCompiler: bodyJudgedLater(),
    },
    async ({ params, body, caller }) => {
      const settings = await apps.settings(params.app)
      if (settings === null) throw notFound('app', params.app)
      const nowMs = await schedules.redisNowMs()
      const campaign = await withTemplate(templates, params.app, memberOf(body, 'campaign'), ['campaign'])
      const resolved = requestOf(withCampaign(body, campaign), settings, nowMs)
      const request = withNamed(withoutConfirm(resolved), memberOf(memberOf(body, 'campaign'), 'template'))
      // Computed before the schedule is stored, so that one without times is never stored.
      const next = nextTimes(request, nowMs)
      await campaigns.rejectImpersonal(settings, resolved.campaign)
      const found = await campaigns.rejectRepeating(settings, resolved.campaign)
      const warnings = found.map((warning) => ({ ...warning, pointer: `/campaign${warning.pointer}` }))
      const stored = await schedules.put(params.app, params.schedule, request, caller?.id)
      return { ...show(params.app, stored, next), ...(warnings.length === 0 ? {} : { warnings }) }
    },
  )

  api.get(
    '/apps/:app/schedules/:schedule',
    { schema: { tags, summary: 'A schedule', params: schedulePath, response: answers({ 200: storedSchema }) } },
    async ({ params }) => {
      const stored = await schedules.get(params.app, params.schedule)
      if (stored === null) throw notFound('schedule', params.schedule)
      return await showStored(params.app, stored, await schedules.redisNowMs())
    },
  )

  api.get(
    '/apps/:app/schedules',
    {
      schema: {
        tags,
        summary: 'The schedules of an app',
        description: 'A schedule whose stored record cannot be read is listed with its `problem` alone.',
        params: appPath,
        querystring: pageQuery,
        response: answers({ 200: pageOf(storedSchema) }),
      },
    },
    async ({ params, query }) => {
      if ((await apps.settings(params.app)) === null) throw notFound('app', params.app)
      const { page, next } = pageByName(await schedules.list(params.app), ({ schedule }) => schedule, query)
      const nowMs = await schedules.redisNowMs()
      return { items: await Promise.all(page.map((stored) => showStored(params.app, stored, nowMs))), ...next }
    },
  )

  api.delete(
    '/apps/:app/schedules/:schedule',
    {
      schema: {
        tags,
        summary: 'Remove a schedule; campaigns that it started continue',
        params: schedulePath,
        response: answers({ 204: nothing }),
      },
    },
    async ({ params }, reply) => {
      if (!(await schedules.delete(params.app, params.schedule))) throw notFound('schedule', params.schedule)
      return reply.code(204).send(null)
    },
  )
}

const storedSchema = z.union([scheduleSchema, unreadableScheduleSchema])

type ResolvedSchedule = z.infer<typeof resolvedScheduleSchema>

function withCampaign(body: unknown, campaign: unknown): unknown {
  return campaign === undefined ? body : { ...(body as object), campaign }
}

/** A digest is used once, when the schedule is put. */
function withoutConfirm(schedule: ResolvedSchedule): ResolvedSchedule {
  const { confirm: _, ...campaign } = schedule.campaign
  return { ...schedule, campaign }
}

/** The schedule as it is stored: with the name of its template, which may change before the next occurrence. */
function withNamed(schedule: ResolvedSchedule, template: unknown): ScheduleRequest {
  if (typeof template !== 'string') return schedule
  const { notification: _, ...campaign } = schedule.campaign
  return { ...schedule, campaign: { ...campaign, template } }
}

/** The schedule in a body, with its campaign checked as one that starts now. Throws all problems at once. */
function requestOf(body: unknown, settings: AppSettings, nowMs: number): ResolvedSchedule {
  refuseManyVariants(memberOf(body, 'campaign'), ['campaign'])
  const parsed = resolvedScheduleSchema.safeParse(body)
  const inCampaign = parsed.success
    ? requestErrors(settings, parsed.data.campaign, nowMs)
    : notificationErrors(memberOf(body, 'campaign'), settings.credentialsKind)
  const errors = [
    ...(parsed.success ? [] : inputErrorsOf(parsed.error.issues, scheduleRequestSchema)),
    ...inCampaign.map((inputError) => ({ ...inputError, path: ['campaign', ...inputError.path] })),
  ]
  if (parsed.success && errors.length === 0) return parsed.data
  throw invalid('The schedule', errors)
}

// Finding the times of a rare date takes up to 100 ms, and a page lists a hundred schedules.
const found = new Map<string, readonly number[]>()
const MAX_FOUND = 10_000

/** The next occurrences. They stay the same until the first of them has passed. */
function nextTimes({ cron, timeZone }: Pick<ScheduleRequest, 'cron' | 'timeZone'>, nowMs: number): string[] {
  const name = `${timeZone} ${cron}`
  const known = found.get(name)
  const [first = 0] = known ?? []
  const times = known !== undefined && first > nowMs ? known : nextRuns(cron, timeZone, nowMs, NEXT_RUNS)
  if (found.size >= MAX_FOUND) found.clear()
  found.set(name, times)
  return times.map((ms) => new Date(ms).toISOString())
}

function readStored(app: AppId, stored: StoredSchedule, nowMs: number): Schedule | UnreadableSchedule {
  if ('problem' in stored) return { schedule: stored.schedule, app, problem: stored.problem }
  try {
    return show(app, stored, nextTimes(stored.request, nowMs))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { ...show(app, stored, []), problem: NO_TIMES }
  }
}

function show(app: AppId, stored: ScheduleRecord, next: string[]): Schedule {
  const { schedule, request, createdAtMs, createdBy, lastRunMs } = stored
  return {
    schedule,
    app,
    ...request,
    paused: request.paused ?? false,
    createdAt: new Date(createdAtMs).toISOString(),
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(lastRunMs === undefined ? {} : { lastRunAt: new Date(lastRunMs).toISOString() }),
    next,
  }
}
