import type * as z from 'zod'
import { fieldsAt } from './fields-at.ts'
import { nearest } from './nearest.ts'
import type { InputError } from './problem.ts'

type Issue = z.core.$ZodIssue

/**
 * The errors of an input that a schema rejected, in our own words; of a union, those of the branch that the input fits
 * best. A message of our own schemas stays, since no default message of the library begins like one.
 *
 * @param schema the one that rejected it, for the name of the field that an unknown one was probably meant to be
 */
export function inputErrorsOf(
  issues: readonly Issue[],
  schema: z.core.$ZodType,
  at: readonly (string | number)[] = [],
): InputError[] {
  return withoutEchoes(issues).flatMap((issue) => {
    const path = [...at, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        path: [...path, key],
        code: 'unknown-field',
        detail: `there is no field "${key.slice(0, 100)}" here; ${spelling(key, fieldsAt(schema, path))}`,
      }))
    if (issue.code === 'invalid_union' && issue.errors.length > 0)
      return inputErrorsOf(closestBranch(issue.errors), schema, path)
    if (issue.code === 'invalid_key')
      return inputErrorsOf(issue.issues, schema, path).map((error) => ({ ...error, code: 'invalid' }))
    return [{ path, code: codeFor(issue), detail: detailFor(issue) }]
  })
}

function spelling(key: string, known: readonly string[]): string {
  const meant = nearest(key.slice(0, 100), known)
  return meant === undefined ? 'remove it or check its spelling' : `did you mean "${meant}"?`
}

/** The issues without those about the size of a value that has the wrong type. */
function withoutEchoes(issues: readonly Issue[]): readonly Issue[] {
  const mistyped = new Set(issues.filter(({ code }) => code === 'invalid_type').map(({ path }) => path.join('\0')))
  if (mistyped.size === 0) return issues
  return issues.filter(
    ({ code, path }) => (code !== 'too_big' && code !== 'too_small') || !mistyped.has(path.join('\0')),
  )
}

/** The branch of a union whose own shape the input fits best: the fewest unknown, missing or mistyped fields. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  return branches.toSorted((a, b) => distance(a) - distance(b))[0] ?? []
}

function distance(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => {
    if (issue.code === 'unrecognized_keys') return sum + 4 * issue.keys.length
    if (issue.code === 'invalid_type') return sum + (issue.path.length === 0 ? 100 : 3)
    if (issue.code === 'invalid_value') return sum + 5
    return sum + 1
  }, 0)
}

function isMissing(issue: Issue): boolean {
  return issue.code === 'invalid_type' && issue.input === undefined && issue.message.includes('received undefined')
}

function codeFor(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return isMissing(issue) ? 'missing' : 'wrong-type'
    case 'too_big':
    case 'too_small':
      return 'out-of-range'
    case 'invalid_format':
    case 'invalid_value':
    case 'not_multiple_of':
      return 'wrong-value'
    default:
      return 'invalid'
  }
}

/** The messages that the library writes where a schema sets none. */
const defaultMessage = /^(?:Invalid|Too (?:big|small)|Unrecognized)\b/

function detailFor(issue: Issue): string {
  if (!defaultMessage.test(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return isMissing(issue) ? `this is missing; it must be ${aThing(issue.expected)}` : mustBe(issue)
    case 'too_big':
      return issue.inclusive === false
        ? `must be less than ${amount(issue.maximum, issue.origin)}`
        : `must be at most ${amount(issue.maximum, issue.origin)}`
    case 'too_small':
      return issue.inclusive === false
        ? `must be more than ${amount(issue.minimum, issue.origin)}`
        : `must be at least ${amount(issue.minimum, issue.origin)}`
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${JSON.stringify(issue.values[0])}`
        : `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_format':
      return issue.format === 'datetime' ? 'must be an ISO 8601 time with a zone' : 'has a form that is not allowed'
    default:
      return 'has a value that is not allowed here'
  }
}

const things: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
  null: 'null',
}

function aThing(expected: string): string {
  return things[expected] ?? 'another type'
}

function mustBe(issue: Extract<Issue, { code: 'invalid_type' }>): string {
  const found = /received (\w+)/.exec(issue.message)?.[1]?.toLowerCase()
  if (issue.expected === 'int') return 'must be an integer'
  return `must be ${aThing(issue.expected)}${found === undefined ? '' : `; found ${things[found] ?? 'another type'}`}`
}

function amount(limit: number | bigint, origin: string): string {
  const number = limit.toLocaleString('en-US')
  switch (origin) {
    case 'string':
      return `${number} ${limit === 1 ? 'character' : 'characters'}`
    case 'array':
    case 'set':
      return `${number} ${limit === 1 ? 'item' : 'items'}`
    default:
      return number
  }
}
