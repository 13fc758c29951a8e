import type { AppId, CampaignId, CampaignRequest, FanoutEvent, ScheduleRequest } from '@wns-fanout/domain'
import { latestRun, Problem } from '@wns-fanout/domain'
import type { AppStore, ScheduleRecord, Schedules } from '@wns-fanout/state'
import type { Campaigns } from './campaigns.ts'

export interface RunSchedulesDeps {
  readonly apps: Pick<AppStore, 'settings'>
  readonly schedules: Schedules
  readonly campaigns: Pick<Campaigns, 'create'>
  readonly emit: (event: FanoutEvent) => void
}

/** An occurrence that nobody could run for longer than this is left out. */
const LATE_MS = 3_600_000

/**
 * Run what is due: of each schedule the latest occurrence of the last hour that was not run yet. Each occurrence means
 * one campaign, however often and by however many it is run: its id comes from the occurrence.
 *
 * @param nowMs Redis time
 */
export async function runSchedules(
  deps: RunSchedulesDeps,
  apps: readonly AppId[],
  nowMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (const app of apps) {
    const failed = (name: string) => (error: unknown) =>
      deps.emit({ type: 'operation.failed', operation: `schedules of ${app}${name}`, error })
    const records = await deps.schedules.list(app).catch((error: unknown) => {
      failed('')(error)
      return []
    })
    for (const record of records) {
      if (signal.aborted) return
      await runIfDue(deps, app, record, nowMs).catch(failed(`: ${record.schedule}`))
    }
  }
}

async function runIfDue(deps: RunSchedulesDeps, app: AppId, record: ScheduleRecord, nowMs: number): Promise<void> {
  const { schedule, request, overUntilMs } = record
  if (request.paused === true) return
  const dueMs = latestRun(request.cron, request.timeZone, Math.max(overUntilMs, nowMs - LATE_MS), nowMs)
  if (dueMs === undefined) return
  const settings = await deps.apps.settings(app)
  if (settings === null) return
  const dueAt = new Date(dueMs).toISOString()
  try {
    const campaign = await deps.campaigns.create(settings, campaignOf(request), {
      // No caller of the API can give this key: theirs have no spaces.
      idempotencyKey: `schedule ${schedule} ${dueAt}`,
    })
    deps.emit({ type: 'schedule.ran', app, schedule, dueAt, campaign: campaign.id as CampaignId })
  } catch (error) {
    // What cannot be served now is tried again; a refusal is the end of this occurrence.
    if (!(error instanceof Problem) || error.status >= 500) throw error
    deps.emit({ type: 'schedule.refused', app, schedule, dueAt, code: error.code, error })
  }
  await deps.schedules.ran(app, schedule, dueMs)
}

function campaignOf({ campaign }: ScheduleRequest): CampaignRequest {
  return {
    ...campaign,
    overLimit: campaign.overLimit ?? 'coalesce',
  }
}
