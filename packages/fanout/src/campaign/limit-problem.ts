import type { AppLimits, AppSettings } from '@wns-fanout/domain'
import { DEFAULT_UNFINISHED_CAMPAIGNS, Problem } from '@wns-fanout/domain'

const meanings: Readonly<Record<keyof AppLimits, string>> = {
  recipientsPerDay: 'recipients of campaigns that were created today (UTC)',
  recipientsPerKeyAndDay: 'recipients of campaigns that one API key created today (UTC)',
  unfinishedCampaigns: 'campaigns that are not finished',
}

/** The Problem of a campaign that would exceed a limit of its app. */
export function limitProblem(
  { app, limits }: Pick<AppSettings, 'app' | 'limits'>,
  { limit, untilMs }: { readonly limit: keyof AppLimits; readonly untilMs: number },
  nowMs: number,
): Problem {
  const most = limits?.[limit] ?? DEFAULT_UNFINISHED_CAMPAIGNS
  return new Problem(
    'app-limit',
    `app ${app} may have ${most} ${meanings[limit]}; wait, or ask an administrator of all apps to raise limits.${limit}`,
    { extra: { limit }, retryAfterSeconds: Math.max(1, Math.ceil((untilMs - nowMs) / 1000)) },
  )
}
