import type { ApiKey, AppId } from '@wns-fanout/domain'
import { nearest, Problem } from '@wns-fanout/domain'
import type { FastifyRequest } from 'fastify'
import { maySee } from './auth.ts'
import type { ApiDeps } from './deps.ts'
import { notFound } from './not-found.ts'

/**
 * A refusal in terms of the app, where the app of the path is what is missing, with the visible app that has the
 * nearest name. Other problems stay as they are.
 */
export async function withNearestApp(
  problem: Problem,
  { caller, params }: Pick<FastifyRequest, 'caller' | 'params'>,
  apps: Pick<ApiDeps['apps'], 'list'>,
): Promise<Problem> {
  const app = (params as Readonly<Record<string, string>>)['app']
  if (problem.code !== 'not-found' || app === undefined || caller === null) return problem
  const visible = await appsFor(caller, apps)
  if (problem.extra['missing'] !== 'app' && visible.includes(app as AppId)) return problem
  const missing = notFound('app', app)
  const meant = nearest(app, visible)
  return meant === undefined || meant === app
    ? missing
    : new Problem('not-found', `${missing.message}; did you mean "${meant}"?`, { extra: missing.extra })
}

/** None when they cannot be read: a hint must not turn a refusal into an error. */
async function appsFor(caller: ApiKey, apps: Pick<ApiDeps['apps'], 'list'>): Promise<AppId[]> {
  try {
    return (await apps.list()).filter((id) => maySee(caller, id))
  } catch {
    return []
  }
}
