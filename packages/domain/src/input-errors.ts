import type * as z from 'zod'
import type { InputError } from './problem.ts'

type Issue = z.core.$ZodIssue

/** The faults of an input that a schema refused; each branch of a union that came close is told, not just "invalid". */
export function inputErrorsOf(issues: readonly Issue[], at: readonly (string | number)[] = []): InputError[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        path: [...path, key],
        code: 'unknown-field',
        detail: `there is no field "${key.slice(0, 100)}" here; remove it or check its spelling`,
      }))
    if (issue.code === 'invalid_union' && issue.errors.length > 0)
      return inputErrorsOf(closestBranch(issue.errors), path)
    return [{ path, code: codeFor(issue), detail: issue.message }]
  })
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

function codeFor(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && issue.message.includes('received undefined') ? 'missing' : 'wrong-type'
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
