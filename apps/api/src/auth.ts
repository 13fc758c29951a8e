import type { ApiKey, AppId, CampaignId, CampaignRef } from '@wns-fanout/domain'
import { isName, Problem } from '@wns-fanout/domain'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Rule } from './access.ts'
import { ruleOf, rules } from './access.ts'
import { notFound } from './not-found.ts'
import type { OpenRequests } from './open-requests.ts'
import { sourceOf, TokenBuckets } from './token-buckets.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The key of the request; set before the body is read. */
    caller: ApiKey | null
    /** The campaign of the path and its app, which authorization reads anyway; null on other paths. */
    campaign: CampaignRef | null
  }
}

export interface AuthDeps {
  /** The caller behind a key, or null when the key is unknown, wrong, revoked or expired. */
  readonly verifyKey: (key: string) => Promise<ApiKey | null>
  /** Was this key valid when this process last saw it? Must not ask Redis. */
  readonly isFamiliarKey: (key: string) => boolean
  readonly appOfCampaign: (campaign: string) => Promise<AppId | null>
  /** Why nothing may be written now, because data is lost; for people. */
  readonly dataProblem: () => string | undefined
  readonly open: OpenRequests
  /** Requests per second that one key may make of this process in the long run; twice as many at once. */
  readonly requestsPerSecond: number
}

// Wrong keys from one source: enough for a fleet with an outdated key, too few for guessing.
const wrongKeys = { burst: 200, perSecond: 2 }

/**
 * Authorize each request before a byte of its body is read. Objects of an app without access are not found (404); a
 * missing verb is reported (403).
 */
export function installAuth(app: FastifyInstance, deps: AuthDeps): void {
  const failures = new TokenBuckets(wrongKeys)
  const requests = new TokenBuckets({ burst: 2 * deps.requestsPerSecond, perSecond: deps.requestsPerSecond })

  app.decorateRequest('caller', null)
  app.decorateRequest('campaign', null)
  app.addHook('onRoute', (route) => {
    for (const name of ruleNames(route)) {
      const rule = rules[name]
      if (rule === undefined)
        throw new Error(`the route ${name} has no rule in access.ts, which lists the rights of all routes`)
      const needs = `Needs the verb \`${rule.verb}\`${rule.scope === 'installation' ? ' of a key for all apps' : ''}.`
      route.schema = { ...route.schema, description: [route.schema?.description, needs].filter(Boolean).join(' ') }
    }
  })
  app.addHook('onRequest', async (request, reply) => {
    const rule = ruleOf(request)
    if (rule === undefined) throw new Problem('forbidden', 'no API key may do this')
    refuseToWrite(request, deps)
    const caller = await authenticate(request, deps, failures)
    request.caller = caller
    limitRate(requests, caller, reply)
    await authorise(request, caller, rule, deps)
    limitOpen(deps.open, request, rule, caller, reply)
  })
}

function ruleNames({ method, url }: RouteOptions): string[] {
  return [method].flat().map((name) => `${name} ${url}`)
}

async function authenticate(request: FastifyRequest, deps: AuthDeps, failures: TokenBuckets): Promise<ApiKey> {
  const header = request.headers.authorization
  if (header === undefined)
    throw new Problem('unauthenticated', 'no API key was sent; send the header "Authorization: Bearer <key>"')
  const key = /^Bearer +(\S{1,512}) *$/i.exec(header)?.[1]
  const source = sourceOf(request.ip)
  // A guess must not reach Redis once its source has made too many. A key that was right here passes in any case: many
  // clients can share one address.
  const isFamiliar = key !== undefined && deps.isFamiliarKey(key)
  if (!isFamiliar) limitGuesses(failures, source)
  const caller = key === undefined ? null : await judge(deps, key, failures, source)
  if (caller !== null) {
    if (!isFamiliar) failures.give(source)
    return caller
  }
  if (isFamiliar) limitGuesses(failures, source)
  throw new Problem('unauthenticated', 'the API key is unknown, revoked or expired; ask an administrator for another')
}

function limitGuesses(failures: TokenBuckets, source: string): void {
  const { waitSeconds } = failures.take(source)
  if (waitSeconds > 0)
    throw new Problem('rate-limited', 'too many wrong API keys came from your address; wait', {
      retryAfterSeconds: waitSeconds,
    })
}

/** The caller behind a key. What cannot be checked is no wrong key, so it does not count as one. */
async function judge(deps: AuthDeps, key: string, failures: TokenBuckets, source: string): Promise<ApiKey | null> {
  try {
    const caller = await deps.verifyKey(key)
    // A valid key can be among the lost data, and its owner must keep it.
    if (caller === null) refuseWhileLost(deps, 'this API key cannot be checked')
    return caller
  } catch (error) {
    failures.give(source)
    throw error
  }
}

/** Before the body is read, so that a busy client costs the others nothing. */
function limitRate(requests: TokenBuckets, { id }: ApiKey, reply: FastifyReply): void {
  const { waitSeconds, left } = requests.take(id)
  reply.headers({
    'ratelimit-limit': requests.burst,
    'ratelimit-remaining': left,
    'ratelimit-reset': Math.ceil((requests.burst - left) / requests.perSecond),
  })
  if (waitSeconds > 0)
    throw new Problem(
      'rate-limited',
      `this API key makes more than ${requests.perSecond} requests per second; wait, or use an upload`,
      { retryAfterSeconds: waitSeconds },
    )
}

function limitOpen(
  open: OpenRequests,
  { campaign }: FastifyRequest,
  { load }: Rule,
  { id }: ApiKey,
  { raw }: FastifyReply,
): void {
  const reason = open.enter(id, load, raw, campaign?.campaign)
  if (reason !== undefined) throw new Problem('rate-limited', reason, { retryAfterSeconds: 1 })
}

/** Data written while data is lost would disappear with a restore, or mix with the restored data. */
function refuseToWrite(request: FastifyRequest, deps: AuthDeps): void {
  if (request.method !== 'GET') refuseWhileLost(deps, 'nothing is written')
}

function refuseWhileLost({ dataProblem }: AuthDeps, what: string): void {
  const problem = dataProblem()
  if (problem !== undefined)
    throw new Problem('unavailable', `${what} while data is lost: ${problem}`, {
      // An operator must act, so a caller that waited would hang.
      retryAfterSeconds: 60,
    })
}

/** May this caller see things of the app at all? */
export function maySee(caller: ApiKey, app: string): boolean {
  return caller.apps.includes('*') || caller.apps.includes(app)
}

async function authorise(request: FastifyRequest, caller: ApiKey, rule: Rule, deps: AuthDeps): Promise<void> {
  const params = request.params as Readonly<Record<string, string>>
  switch (rule.scope) {
    case 'app':
      if (!maySee(caller, params['app'] ?? '')) throw notFound('app', params['app'] ?? '')
      break
    case 'campaign': {
      const id = params['campaign'] ?? ''
      const app = isName(id) ? await deps.appOfCampaign(id) : null
      if (app === null || !maySee(caller, app)) throw notFound('campaign', id)
      request.campaign = { app, campaign: id as CampaignId }
      break
    }
    case 'installation':
      if (!caller.apps.includes('*'))
        throw new Problem(
          'forbidden',
          'this API key gives access to certain apps; only one for all apps ("*") may do this',
        )
      break
    case 'visible':
      break
    default:
      rule.scope satisfies never
  }
  if (!caller.verbs.includes(rule.verb))
    throw new Problem(
      'forbidden',
      `this needs the verb "${rule.verb}"; the API key has ${caller.verbs.join(', ') || 'none'}`,
    )
}
