import { isDeepStrictEqual } from 'node:util'
import type { ApiKey, AppId, AppRequest, AppSettings } from '@wns-fanout/domain'
import { Problem, protectedSettings } from '@wns-fanout/domain'
import type { AppStore, IfMatch } from '@wns-fanout/state'

type Protected = (typeof protectedSettings)[number]
type Given = Partial<Record<Protected, unknown>>

/** Throws the Problem `forbidden` if a key that is not for all apps would change a protected setting of an app. */
export function rejectProtected(caller: ApiKey | null, given: Given, before: AppSettings | null): void {
  if (caller?.apps.includes('*') === true) return
  const changed = protectedSettings.filter(
    (name) => name in given && !isDeepStrictEqual(given[name] ?? undefined, before?.[name]),
  )
  if (changed.length === 0) return
  const only = 'only an API key for all apps ("*") changes it'
  throw new Problem('forbidden', `${changed.join(' and ')} protect others from this app: ${only}`)
}

/**
 * Replace an app. Of a key that is not for all apps, the protected settings stay as they are, and the app must not
 * change in between.
 */
export async function putApp(
  apps: AppStore,
  app: AppId,
  request: AppRequest,
  caller: ApiKey | null,
  ifMatch: IfMatch | undefined,
): Promise<{ readonly created: boolean }> {
  const options = { createdBy: caller?.id, ifMatch }
  if (caller?.apps.includes('*') === true) return apps.put(app, request, options)
  const record = await apps.get(app)
  const before = record?.settings ?? null
  rejectProtected(caller, request, before)
  if (record === null) return apps.put(app, request, options)
  const kept = Object.fromEntries(
    protectedSettings.flatMap((name) => (record.settings[name] === undefined ? [] : [[name, record.settings[name]]])),
  )
  return apps.put(app, { ...request, ...kept }, { ...options, ifMatch: ifMatch ?? [record.etag] })
}
