import type { CampaignRequest, InputError, Warning } from '@wns-fanout/domain'
import { lackingIn, prepareMessage, warningsOf } from '@wns-fanout/domain'

// A recipient that lacks a variable gets what the request asks for, and the owner of the campaign always sees it: as an
// error, a warning or a count.

/** Errors in the values of a request whose notification is intact. */
export function valueErrors(request: CampaignRequest): InputError[] {
  const { missing, fallbacks, valuesByTag } = request
  const given = Object.entries({ missing, fallbacks, valuesByTag }).filter(([, value]) => value !== undefined)
  if (given.length === 0) return []
  const { isPersonalized } = prepareMessage(request.notification)
  const useless = isPersonalized ? [] : given
  const needed = missing === 'fallback' ? namesWithoutFallback(request) : []
  return [
    ...useless.map(([field]) => error(field, 'no-placeholder', `${field} needs a {{vars.…}} placeholder; remove it`)),
    ...(fallbacks !== undefined && missing !== 'fallback'
      ? [error('fallbacks', 'not-used', 'fallbacks are used only with missing: "fallback"; add it')]
      : []),
    ...needed
      .filter((name) => !Object.hasOwn(fallbacks ?? {}, name))
      .map((name) => error('fallbacks', 'missing', `fallbacks must have a value for ${name}; add it`)),
  ]
}

/** Without `missing`, a recipient without the variable gets an empty text there. */
export function missingWarnings(request: CampaignRequest): Warning[] {
  // Where an empty text is not valid, another warning shows that such recipients are rejected.
  const isJudged = warningsOf(request.notification).some(({ code }) => code === 'placeholder-value')
  if (request.missing !== undefined || isJudged) return []
  const names = namesWithoutFallback(request)
  if (names.length === 0) return []
  const detail =
    `recipients without ${names.map((name) => `vars.${name}`).join(' and ')} get an empty text there; ` +
    'give a fallback, or choose missing: "skip", "fallback" or "refuse"'
  return [{ pointer: '/notification', code: 'missing-variable', detail }]
}

function namesWithoutFallback({ notification }: CampaignRequest): string[] {
  const message = prepareMessage(notification)
  const bodies = [message, ...message.variants.values()]
  return [...new Set(bodies.flatMap(({ template }) => lackingIn(template, {}).map(({ name }) => name)))]
}

function error(field: string, code: string, detail: string): InputError {
  return { path: [field], code, detail }
}
