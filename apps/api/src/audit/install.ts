import type { AuditFacts } from '@wns-fanout/domain'
import type { Auditor } from '@wns-fanout/runtime'
import type { RecordKind } from '@wns-fanout/state'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuditAction } from './actions.ts'
import { auditActions } from './actions.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The digest of the record that the request is about, before it. */
    digestBefore: string | undefined
    /** Recipients of a campaign as they are counted when it is created. */
    auditedRecipients: number | undefined
  }
}

export interface AuditDeps {
  readonly auditor: Auditor
  readonly digest: (
    kind: RecordKind,
    of: { readonly app?: string | undefined; readonly name?: string | undefined },
  ) => Promise<string | undefined>
}

/**
 * Enter each operation of `auditActions` into the audit log before it is answered. An operation of an unknown caller is
 * not entered, since any caller could fill the log with them.
 */
export function installAudit(app: FastifyInstance, deps: AuditDeps): void {
  app.decorateRequest('digestBefore', undefined)
  app.decorateRequest('auditedRecipients', undefined)
  app.addHook('preHandler', async (request) => {
    const action = actionFor(request)
    if (action?.record !== undefined && action.param !== undefined)
      request.digestBefore = await deps.digest(action.record, subjectOf(request, action, undefined))
  })
  app.addHook('onSend', async (request, reply, payload) => {
    const action = actionFor(request)
    if (action !== undefined && request.caller !== null && !isDryRun(request))
      await deps.auditor.record(action.trail, await factsOf(deps, request, reply, action, payload))
    return payload
  })
}

/** Undefined for what leaves no entry. */
export function actionOf(route: string): AuditAction | undefined {
  if (route in auditActions) return auditActions[route] ?? undefined
  return route.startsWith('GET ') ? undefined : { action: route, trail: 'control' }
}

function actionFor({ method, routeOptions }: FastifyRequest): AuditAction | undefined {
  return routeOptions.url === undefined ? undefined : actionOf(`${method} ${routeOptions.url}`)
}

async function factsOf(
  deps: AuditDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  action: AuditAction,
  payload: unknown,
): Promise<AuditFacts> {
  const status = reply.statusCode
  const isDone = status < 300
  const answer = isDone ? jsonOf(payload) : undefined
  const subject = subjectOf(request, action, answer)
  // The digest is worth less than the entry: without it, the entry still shows that the operation was done.
  const digest = (): Promise<string | undefined> =>
    action.record === undefined ? Promise.resolve(undefined) : deps.digest(action.record, subject)
  const after = isDone ? await digest().catch(() => undefined) : undefined
  const recipients = isDone ? (request.auditedRecipients ?? sumOf(action, answer)) : undefined
  return {
    time: new Date().toISOString(),
    actor: request.caller?.id ?? '',
    source: request.ip,
    action: action.action,
    ...present('app', subject.app),
    ...present('object', subject.name),
    ...present('before', isDone && subject.isSame ? request.digestBefore : undefined),
    ...present('after', after),
    ...present('recipients', recipients),
    outcome: isDone ? (isStream(payload) ? 'started' : 'done') : status < 500 ? 'refused' : 'failed',
    status,
    requestId: request.id,
  }
}

/** The app and the object of a request: those of the path, or the object that it made. */
function subjectOf(request: FastifyRequest, { param, made }: AuditAction, answer: Answer | undefined) {
  const params = request.params as Readonly<Record<string, string | undefined>>
  const ofAnswer = made === undefined ? undefined : answer?.[made]
  return {
    app: request.campaign?.app ?? params['app'],
    name: typeof ofAnswer === 'string' ? ofAnswer : param === undefined ? undefined : params[param],
    isSame: typeof ofAnswer !== 'string',
  }
}

/** A dry run stores nothing, and the preview of an import neither. */
function isDryRun({ body, query }: FastifyRequest): boolean {
  return [body, query].some(
    (part) => typeof part === 'object' && part !== null && 'dryRun' in part && String(part.dryRun) === 'true',
  )
}

type Answer = Readonly<Record<string, unknown>>

function jsonOf(payload: unknown): Answer | undefined {
  if (typeof payload !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(payload)
    return typeof value === 'object' && value !== null ? (value as Answer) : undefined
  } catch {
    return undefined
  }
}

function sumOf({ counted }: AuditAction, answer: Answer | undefined): number | undefined {
  if (counted === undefined || answer === undefined) return undefined
  return counted.reduce((sum, field) => sum + (Number(answer[field]) || 0), 0)
}

function isStream(payload: unknown): boolean {
  return typeof payload === 'object' && payload !== null && 'pipe' in payload
}

function present<Name extends string, T>(name: Name, value: T | undefined): { readonly [N in Name]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [N in Name]?: T })
}
