import type * as z from 'zod'

type Shape = Readonly<Record<string, z.ZodType>>

interface Terms {
  /** Terms that name channels. */
  readonly sources: Shape
  /** Terms that narrow them. */
  readonly filters: Shape
}

/** Sources that are recipients of an earlier campaign. */
const ofCampaigns = ['failedOf', 'restOf']
/** What else `failedOf` accepts. */
const ofFailedOf = ['includeInDoubt', 'classes', 'reasons']

type Fault = readonly [term: string, message: string]

/**
 * Report terms that exclude each other, together with every term that is wrong by itself; a union of shapes would
 * report only that a field is unknown. An audience whose terms go together is left to its schema.
 */
export function addMixedTerms(audience: unknown, { sources, filters }: Terms, context: z.RefinementCtx): unknown {
  if (typeof audience !== 'object' || audience === null || Array.isArray(audience)) return audience
  const given = new Map<string, unknown>(Object.entries(audience))
  const faults = [...noTerm(given), ...mixedSources(given, sources), ...mixedFilters(given, filters), ...noTime(given)]
  if (faults.length === 0) return audience
  for (const [term, message] of faults) context.addIssue({ code: 'custom', message, path: [term] })
  const reported = new Set(faults.map(([term]) => term))
  const terms = { ...sources, ...filters }
  for (const [term, schema] of Object.entries(terms))
    if (given.has(term) && !reported.has(term))
      for (const issue of schema.safeParse(given.get(term)).error?.issues ?? [])
        context.addIssue({ ...issue, path: [term, ...issue.path] })
  const unknown = [...given.keys()].filter((term) => !Object.hasOwn(terms, term) && !ofFailedOf.includes(term))
  if (unknown.length > 0) context.addIssue({ code: 'unrecognized_keys', keys: unknown })
  return audience
}

function noTerm(given: ReadonlyMap<string, unknown>): Fault[] {
  return given.size === 0 ? [['all', 'an audience needs a term; {"all": true} is every channel']] : []
}

function mixedSources(given: ReadonlyMap<string, unknown>, sources: Shape): Fault[] {
  const [first, ...others] = Object.keys(sources).filter((term) => given.has(term))
  return others.map((term) => [term, `${term} and ${first} cannot be combined; give one of them`])
}

function mixedFilters(given: ReadonlyMap<string, unknown>, filters: Shape): Fault[] {
  const source = ofCampaigns.find((term) => given.has(term))
  if (source === undefined) return []
  const narrowing = Object.keys(filters).filter((term) => given.has(term))
  return narrowing.map((term) => [term, `${term} cannot narrow the recipients of ${source}; remove it`])
}

function noTime(given: ReadonlyMap<string, unknown>): Fault[] {
  const [after = 0, before = 0] = ['registeredAfter', 'registeredBefore'].map((term) =>
    Date.parse(String(given.get(term))),
  )
  return after >= before ? [['registeredBefore', 'registeredBefore must be later than registeredAfter']] : []
}
