import * as z from 'zod'
import type { AppRequest, AppSettings } from './app.ts'
import { appRequestSchema, appSettings } from './app.ts'
import { inputErrorsOf } from './input-errors.ts'
import type { InputError } from './problem.ts'
import { Problem } from './problem.ts'

type Settings = Omit<AppRequest, 'credentials'>
/** A JSON merge patch of the settings of an app: an absent field stays, null gives it its default. */
export type AppPatch = { readonly [Name in keyof Settings]?: Settings[Name] | null }

const { credentials: _, ...fields } = appRequestSchema.shape
/** The settings without the credentials, which only a `PUT` replaces. */
export const appPatchSchema = z
  .strictObject(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.nullable()])))
  .meta({ id: 'AppPatch', description: 'An absent field keeps its value, `null` gives it its default.' })

/** The settings of an app after a patch. Throws the Problem `invalid` for settings that exclude each other. */
export function patchedSettings(settings: AppSettings, patch: AppPatch): AppSettings {
  const { app, credentialsKind, burst, ...kept } = settings
  // A burst that was derived from the rate follows the rate.
  const derived = Math.max(1, Math.round(settings.ratePerSecond / 10))
  const before = { ...kept, ...(burst === derived ? {} : { burst }) }
  const merged = Object.fromEntries(Object.entries({ ...before, ...patch }).filter(([, value]) => value !== null))
  const errors = errorsOf(merged)
  if (errors.length > 0)
    throw new Problem('invalid', 'The settings with these changes are not valid', { inputErrors: errors })
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked above; of credentials only the kind is read
  return appSettings(app, { ...merged, credentials: { kind: credentialsKind } } as AppRequest)
}

// The rules between fields belong to the schema of the whole, which wants credentials.
function errorsOf(settings: object): readonly InputError[] {
  const placeholder = { kind: 'entra', tenantId: 'x', clientId: 'x', clientSecret: { ref: 'env:X' } }
  const parsed = appRequestSchema.safeParse({ ...settings, credentials: placeholder })
  return parsed.success ? [] : inputErrorsOf(parsed.error.issues, appRequestSchema)
}
