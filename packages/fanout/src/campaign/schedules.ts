import type {
  AppId,
  AuditFacts,
  CampaignId,
  CampaignRequest,
  FanoutEvent,
  ScheduleName,
  ScheduleRequest,
  TemplateName,
} from '@wns-fanout/domain'
import { latestRun, Problem } from '@wns-fanout/domain'
import type {
  ApiKeys,
  AppStore,
  ScheduleFailure,
  ScheduleRecord,
  Schedules,
  StoredSchedule,
  Templates,
} from '@wns-fanout/state'
import type { Campaigns } from './campaigns.ts'

export interface ScheduleRunnerDeps {
  readonly apps: Pick<AppStore, 'settings'>
  readonly schedules: Schedules
  readonly templates: Pick<Templates, 'get'>
  readonly campaigns: Pick<Campaigns, 'create'>
  readonly apiKeys: Pick<ApiKeys, 'isUsable'>
  readonly emit: (event: FanoutEvent) => void
  /** Enters a run into the audit log; never rejects. */
  readonly audit?: (facts: AuditFacts) => Promise<void>
}

/** An occurrence that could not run for longer than this is skipped. */
const LATE_MS = 3_600_000

/** What the leader does with schedules. Only the leader runs them, but a second leader for a moment does no harm. */
export class ScheduleRunner {
  readonly #deps: ScheduleRunnerDeps
  /** Unreadable schedules that were reported, so that each problem is reported once. */
  readonly #reported = new Map<string, string>()

  constructor(deps: ScheduleRunnerDeps) {
    this.#deps = deps
  }

  /**
   * Run what is due: of each schedule, the latest occurrence of the last hour that has not run yet. Each occurrence
   * becomes one campaign, however often it runs and in however many processes: its id is derived from the occurrence.
   * A schedule that cannot be read or run does not stop the others.
   *
   * @param nowMs Redis time
   */
  async run(apps: readonly AppId[], nowMs: number, signal: AbortSignal): Promise<void> {
    for (const app of await this.#deps.schedules.appsWith(apps)) {
      for (const stored of await this.#list(app)) {
        if (signal.aborted) return
        await this.#runIfDue(app, stored, nowMs).catch((error: unknown) => this.#failed(app, stored.schedule, error))
      }
    }
  }

  async #list(app: AppId): Promise<readonly StoredSchedule[]> {
    try {
      return await this.#deps.schedules.list(app)
    } catch (error) {
      this.#deps.emit({ type: 'operation.failed', operation: `schedules of ${app}`, error })
      return []
    }
  }

  async #runIfDue(app: AppId, stored: StoredSchedule, nowMs: number): Promise<void> {
    const due = dueOf(stored, nowMs)
    this.#report(app, stored.schedule, due.kind === 'unreadable' ? due.problem : undefined)
    if (due.kind === 'due') await this.#start(app, due.record, due.atMs)
  }

  async #start(app: AppId, { schedule, request, createdBy }: ScheduleRecord, dueMs: number): Promise<void> {
    const { apps, campaigns, schedules, apiKeys, emit } = this.#deps
    const settings = await apps.settings(app)
    if (settings === null) return
    const dueAt = new Date(dueMs).toISOString()
    if (createdBy !== undefined && !(await apiKeys.isUsable(createdBy))) {
      emit({ type: 'schedule.stopped', app, schedule, dueAt, createdBy })
      // A key that takes the schedule over starts it with the next occurrence.
      await schedules.ran(app, schedule, dueMs, { type: 'schedule.stopped', data: { schedule, dueAt, createdBy } })
      return
    }
    let failure: ScheduleFailure | undefined
    try {
      const resolved = await this.#campaignOf(app, request)
      const campaign = await campaigns.create(settings, resolved, {
        // No caller of the API can send this key: keys of callers contain no spaces.
        idempotencyKey: `schedule ${schedule} ${dueAt}`,
        createdBy,
        isConfirmed: true,
      })
      emit({ type: 'schedule.ran', app, schedule, dueAt, campaign: campaign.id as CampaignId })
      await this.#audit(app, createdBy, 'done', `${schedule} ${campaign.id}`)
    } catch (error) {
      // An internal failure is retried in the next round; a rejected request ends this occurrence.
      if (!(error instanceof Problem) || error.status >= 500) throw error
      emit({ type: 'schedule.refused', app, schedule, dueAt, code: error.code, error })
      failure = { type: 'schedule.refused', data: { schedule, dueAt, code: error.code, detail: error.message } }
      await this.#audit(app, createdBy, 'refused', schedule)
    }
    await schedules.ran(app, schedule, dueMs, failure)
  }

  async #audit(app: AppId, actor: string | undefined, outcome: AuditFacts['outcome'], object: string): Promise<void> {
    const time = new Date().toISOString()
    await this.#deps.audit?.({ time, actor: actor ?? 'schedule', action: 'schedule.run', app, object, outcome })
  }

  /** The template as it is now, so that a schedule sends the content of the day. */
  async #campaignOf(app: AppId, { campaign }: ScheduleRequest): Promise<CampaignRequest> {
    const { template, notification, ...rest } = campaign
    const content = notification ?? (await this.#deps.templates.get(app, template as TemplateName))?.notification
    if (content === undefined)
      throw new Problem('invalid', `there is no template ${template} in app ${app}; put it, or change the schedule`)
    return { ...rest, notification: content, overLimit: campaign.overLimit ?? 'coalesce' }
  }

  #failed(app: AppId, schedule: ScheduleName, error: unknown): void {
    this.#deps.emit({ type: 'operation.failed', operation: `schedules of ${app}: ${schedule}`, error })
  }

  #report(app: AppId, schedule: ScheduleName, problem: string | undefined): void {
    const id = `${app} ${schedule}`
    if (this.#reported.get(id) === problem) return
    if (problem === undefined) {
      this.#reported.delete(id)
      return
    }
    this.#reported.set(id, problem)
    this.#deps.emit({ type: 'schedule.unreadable', app, schedule, problem })
  }
}

type Due =
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable'; readonly problem: string }
  | { readonly kind: 'due'; readonly record: ScheduleRecord; readonly atMs: number }

function dueOf(stored: StoredSchedule, nowMs: number): Due {
  if ('problem' in stored) return { kind: 'unreadable', problem: stored.problem }
  const { request, overUntilMs } = stored
  if (request.paused === true) return { kind: 'none' }
  try {
    const atMs = latestRun(request.cron, request.timeZone, Math.max(overUntilMs, nowMs - LATE_MS), nowMs)
    return atMs === undefined ? { kind: 'none' } : { kind: 'due', record: stored, atMs }
  } catch (error) {
    // Another version of this product or of the zone data can have accepted what this one does not know.
    if (!(error instanceof RangeError)) throw error
    return { kind: 'unreadable', problem: NO_TIMES }
  }
}

/** Why a schedule does not run whose key is revoked or expired. */
export function keyIsOver(key: string): string {
  return `the API key ${key}, which put it, is revoked or expired; put the schedule again with another key`
}

/** Why a schedule that was accepted once cannot run here. */
export const NO_TIMES = 'its cron or timeZone is not known to this version; put the schedule again'
