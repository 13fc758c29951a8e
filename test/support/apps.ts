import { Readable } from 'node:stream'
import type { Client } from '@wns-fanout/client'

export const packageSid = 'S-1-15-2-11-22-33-44-55-66-77'

/** Register an app with channels that behave as asked: the nth channel, counted from 0, is `d<n>`. */
export async function registerApp(
  { api }: { readonly api: Client },
  app: string,
  behaviors: readonly string[],
  settings: Record<string, unknown> = {},
): Promise<void> {
  await api.putApp(app, {
    credentials: { kind: 'store', packageSid, clientSecret: 'test-secret' },
    ratePerSecond: 50_000,
    ...settings,
  })
  // An upload without a line is rejected.
  if (behaviors.length === 0) return
  const lines = behaviors.map((behavior, n) => `${JSON.stringify(importLine(app, n, behavior))}\n`)
  const result = await api.importChannels(app, Readable.from(lines, { objectMode: false }), { type: 'ndjson' })
  if (result.created !== behaviors.length) throw new Error(`not all were imported: ${JSON.stringify(result)}`)
}

export function importLine(app: string, n: number, behavior: string): Record<string, unknown> {
  return {
    channel: `d${n}`,
    uri: `https://${['db5p', 'am3p', 'wns2-by3p', 'hk2'][n % 4]}.notify.windows.com/?token=${behavior}.any.${app}-${n}`,
    // A personalized campaign needs a variable that one of its recipients has.
    ...(n === 0 ? { vars: { name: 'Ada' } } : {}),
  }
}
