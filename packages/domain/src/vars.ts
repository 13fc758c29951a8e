import * as z from 'zod'

const MAX_VARS = 20
export const MAX_VAR_LENGTH = 1000
const varName = /^[a-zA-Z][a-zA-Z0-9_]{0,39}$/
export const varText = `a variable must be a text of at most ${MAX_VAR_LENGTH.toLocaleString('en')} characters`
// The names are checked here and not by the schema of the keys, whose errors do not state the rule.
export const varsSchema = z
  .record(z.string(), z.string({ error: varText }).max(MAX_VAR_LENGTH, { error: varText }), {
    error: 'vars must be an object of texts, such as {"name": "Ada"}',
  })
  .superRefine(checkVars)

/** The names and the number of variables; null removes one. */
export function checkVars(vars: Readonly<Record<string, string | null>>, context: z.RefinementCtx): void {
  const names = Object.keys(vars)
  for (const name of names.filter((one) => !varName.test(one)))
    context.addIssue({
      code: 'custom',
      path: [name],
      message: 'the name of a variable must be a letter, then up to 39 letters, digits or "_"; rename it',
    })
  const count = names.filter((one) => vars[one] !== null).length
  if (count > MAX_VARS)
    context.addIssue({ code: 'custom', message: `a channel may have at most ${MAX_VARS} variables; found ${count}` })
}
