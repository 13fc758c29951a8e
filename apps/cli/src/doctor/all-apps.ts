import type { Client } from '@wns-fanout/client'
import type { App, Campaign } from '@wns-fanout/domain'
import { formatCount } from '../terminal/format.ts'
import { allOf } from '../all-of.ts'
import type { Check } from './checks.ts'

/** What stops any app: an unreadable record, an open breaker, a pause with recipients that wait, a halted campaign. */
export async function checkAllApps(api: Client): Promise<readonly Check[]> {
  const checks: Check[] = []
  for (const app of await allOf(api.apps())) {
    if ('problem' in app) {
      checks.push({ state: 'fail', what: `app ${app.app}`, found: app.problem })
      continue
    }
    const sending = await allOf(api.campaigns(app.app, { state: 'sending' }))
    const halted = await allOf(api.campaigns(app.app, { state: 'halted' }))
    checks.push(...stopsOf(app, sending, halted))
  }
  return checks
}

/** The checks that an app does not pass, from its campaigns that are sending or halted. */
export function stopsOf(app: App, sending: readonly Campaign[], halted: readonly Campaign[]): readonly Check[] {
  const waiting = sending.reduce((sum, { totals }) => sum + totals.pending, 0)
  const held = halted.filter(({ finishedAt }) => finishedAt === undefined)
  const checks: Check[] = []
  if (app.breaker !== undefined)
    checks.push({
      state: 'fail',
      what: `breaker of ${app.app}`,
      found: `open since ${app.breaker.since}: ${app.breaker.reason}; ${formatCount(waiting)} recipients wait`,
      todo: `wns-fanout doctor --app ${app.app}`,
    })
  if (app.state === 'paused' && waiting > 0)
    checks.push({
      state: 'warn',
      what: `app ${app.app}`,
      found: `paused, and ${formatCount(waiting)} recipients wait`,
      todo: `wns-fanout app resume ${app.app}`,
    })
  for (const { id, reason = 'no reason' } of held)
    checks.push({
      state: 'warn',
      what: `campaign ${id} of ${app.app}`,
      found: `halted (${reason})`,
      todo: `wns-fanout campaigns show ${id}`,
    })
  return checks
}
