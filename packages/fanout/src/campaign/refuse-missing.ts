import type { AppId, CampaignRequest } from '@wns-fanout/domain'
import { lackingFor, prepareMessage, Problem } from '@wns-fanout/domain'
import { recipientPages } from '@wns-fanout/state'
import { storedVariables } from '../stored-variables.ts'
import type { AudienceDeps, EvaluatedAudience } from './warnings.ts'

/**
 * Throws the Problem `invalid` when a recipient lacks a variable now and the campaign refuses that.
 *
 * @param known its audience, evaluated now
 */
export async function refuseMissing(
  deps: AudienceDeps,
  app: AppId,
  request: CampaignRequest,
  known: EvaluatedAudience | undefined,
): Promise<void> {
  if (request.missing !== 'refuse' || known === undefined) return
  const bits = await deps.audiences.read(known.key)
  const message = prepareMessage(request.notification, request)
  const wanted = { bits, type: message.type, everyPage: false, contentPages: Infinity }
  let lacking = 0
  const names = new Set<string>()
  for await (const page of recipientPages(deps.redis, deps.keys, app, wanted))
    for (const { variables, locale = '', tags = [] } of page) {
      const found = lackingFor(message, storedVariables(variables) ?? {}, locale, tags)
      if (found.length > 0) lacking += 1
      for (const { name } of found) names.add(name)
    }
  if (lacking === 0) return
  const detail =
    `${lacking} recipients have no value for ${[...names].toSorted().join(' or ')}; ` +
    'add the values, give fallbacks, or choose missing: "skip"'
  throw new Problem('invalid', detail, {
    inputErrors: [{ path: ['missing'], code: 'missing-variable', detail }],
  })
}
