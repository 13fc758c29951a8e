import type { AppSettings, CampaignRequest } from '@wns-fanout/domain'
import { prepareMessage, valuesFor, variantFor } from '@wns-fanout/domain'
import { recipientPages } from '@wns-fanout/state'
import { storedVariables } from '../stored-variables.ts'
import { topicOf } from './definition.ts'
import { evaluable } from './failed-of.ts'
import { isListed } from './guideline.ts'
import { rejectErrors } from './request-errors.ts'
import type { AudienceDeps } from './warnings.ts'

/** Half a million recipients, evenly spread: a variable that many have is found on the first of these pages. */
const PAGES = 1024

/**
 * Throws the Problem `invalid` for a personalized update whose placeholders no recipient has a value for: all of them
 * would get the same text, past the guideline for generic updates. An audience without recipients passes.
 */
export async function rejectUnlessPersonal(
  deps: AudienceDeps,
  app: AppSettings,
  request: CampaignRequest,
): Promise<void> {
  if (request.update !== 'personalized' || app.allowFasterThanGuideline !== undefined || isListed(request)) return
  // Of the whole audience: a sample of a personalized update is one too, also where none of it has a value.
  const options = { topic: topicOf(request) }
  const { bits } = await deps.audiences.bitmap(app.app, await evaluable(deps, app.app, request.audience), options)
  const message = prepareMessage(request.notification, request)
  let isEmpty = true
  const wanted = { bits, type: message.type, everyPage: false, contentPages: PAGES }
  for await (const page of recipientPages(deps.redis, deps.keys, app.app, wanted))
    for (const { variables, locale = '', tags = [] } of page) {
      isEmpty = false
      const values = valuesFor(message.values, storedVariables(variables) ?? {}, tags)
      const parts = variantFor(message, locale).template?.parts ?? []
      if (parts.some((part) => typeof part !== 'string' && Object.hasOwn(values, part.name))) return
    }
  if (isEmpty) return
  const detail = 'no recipient has a value for a {{vars.…}} placeholder, so all get the same text; send it as generic'
  rejectErrors([{ path: ['update'], code: 'not-personalized', detail }])
}
