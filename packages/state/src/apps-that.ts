import type { AppId } from '@wns-fanout/domain'

const APPS_AT_ONCE = 100

/** Those of many apps for which `holds`. Some are asked at once, which costs a fraction of one after the other. */
export async function appsThat(apps: readonly AppId[], holds: (app: AppId) => Promise<boolean>): Promise<AppId[]> {
  const found: AppId[] = []
  for (let at = 0; at < apps.length; at += APPS_AT_ONCE) {
    const some = apps.slice(at, at + APPS_AT_ONCE)
    const answers = await Promise.all(some.map(holds))
    found.push(...some.filter((_, n) => answers[n]))
  }
  return found
}
