import * as z from 'zod'
import type { InputError } from './problem.ts'
import { pointerOf } from './problem.ts'

/** What is odd about an input that was accepted all the same, as the API shows it. */
export const warningSchema = z
  .strictObject({
    pointer: z.string().meta({ description: 'RFC 6901 pointer into the request.' }),
    code: z.string(),
    detail: z.string(),
  })
  .meta({ id: 'Warning' })
export type Warning = z.infer<typeof warningSchema>

/** A finding about an input as a warning; `at` leads to that input from the root of the request. */
export function warningOf({ path, code, detail }: InputError, at: readonly (string | number)[] = []): Warning {
  return { pointer: pointerOf([...at, ...path]), code, detail }
}
