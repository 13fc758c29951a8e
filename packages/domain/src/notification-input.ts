import type { LintContext } from './notification-lint.ts'
import { lintNotification } from './notification-lint.ts'
import { notificationSchema } from './notification.ts'
import type { InputError } from './problem.ts'

/**
 * The errors of a notification that are not errors of its shape, so that a caller gets both at once. Fields with a
 * wrong shape are left out first. Never throws.
 */
export function lintInput(input: unknown, context: LintContext): InputError[] {
  const parsed = notificationSchema.safeParse(input)
  if (parsed.success) return lintNotification(parsed.data, context)
  const faulty = new Set(
    parsed.error.issues.flatMap(({ path, ...issue }) =>
      path.length === 0 && issue.code === 'unrecognized_keys' ? issue.keys : [String(path[0])],
    ),
  )
  const sound = notificationSchema.safeParse(without(input, faulty))
  if (!sound.success) return []
  // The body may be among the fields that were left out.
  return lintNotification(sound.data, context).filter(({ path, code }) => path.length > 0 || code !== 'missing')
}

function without(input: unknown, fields: ReadonlySet<string>): unknown {
  return typeof input === 'object' && input !== null
    ? Object.fromEntries(Object.entries(input).filter(([name]) => !fields.has(name)))
    : input
}
