import type { AppEventType } from './app-event.ts'
import type { AppId, CampaignId, ScheduleName, WebhookName } from './ids.ts'
import type { RetryReason } from './disposition.ts'
import type { AnswerTrace, Outcome } from './outcome.ts'
import type { NotificationType } from './notification.ts'
import type { CampaignState } from './campaign.ts'
import type { RecipientClass, Totals } from './vector.ts'

/**
 * What happens in a worker, emitted once; metrics and logs only read it. Each event is explained to operators in
 * the table of docs/operations.md. No event holds a channel, a URI, a payload or a token.
 */
export type FanoutEvent =
  | {
      /** A checkpoint was acknowledged: what it settled and what led to it. */
      readonly type: 'batch.checkpointed'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly notificationType: NotificationType
      readonly settled: readonly { readonly class: RecipientClass; readonly count: number }[]
      /** Complete answers by HTTP status, and `none` for posts that got none. */
      readonly responses: ReadonlyMap<number | 'none', number>
      readonly retries: ReadonlyMap<RetryReason, number>
      /** A sample of how long posts took. */
      readonly durationsMs: readonly number[]
      readonly checkpointMs: number
    }
  | {
      readonly type: 'batch.opened'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly seq: number
      readonly notificationType: NotificationType
      readonly takeover: boolean
      readonly uncertain: number
      readonly settled: readonly { readonly class: RecipientClass; readonly count: number }[]
      readonly guardAdmitted: number
    }
  | {
      readonly type: 'batch.parked'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly seq: number
      readonly delayMs: number
      readonly reason: string
    }
  | { readonly type: 'batch.closed'; readonly app: AppId; readonly campaign: CampaignId; readonly seq: number }
  | {
      /** Redis had lost the owner of a batch, and the owner's outcomes were merged into the batch. */
      readonly type: 'batch.outcomes-merged'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly seq: number
      readonly notificationType: NotificationType
      readonly settled: readonly { readonly class: RecipientClass; readonly count: number }[]
    }
  | {
      /** Recipients of a finished campaign that were settled without an owner, as by a cancel. Emitted once. */
      readonly type: 'recipients.settled'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly notificationType: NotificationType
      readonly settled: readonly { readonly class: RecipientClass; readonly count: number }[]
    }
  | {
      /** A worker ended without handing its jobs back, and they were given to the others. */
      readonly type: 'worker.died'
      readonly worker: string
      readonly jobs: number
    }
  | { readonly type: 'batch.fenced'; readonly app: AppId; readonly campaign: CampaignId; readonly seq: number }
  | {
      readonly type: 'campaign.launched'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly audienceSize: number
      /** The owner's decision to send although many URIs may be dead. */
      readonly maxDeadShare?: { readonly share: number; readonly reason: string }
    }
  | {
      /** No recipient of the campaign is pending. The leader emits it at least once: count by the campaign's id. */
      readonly type: 'campaign.finished'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly state: CampaignState
      readonly reason?: string
      readonly totals: Totals
      /** From the start to the end; absent where the campaign never started. */
      readonly durationMs?: number
    }
  | {
      /** An answer settled a recipient as rejected, or as failed at its last attempt. */
      readonly type: 'post.refused'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly status: number | 'none'
      readonly trace: AnswerTrace
    }
  | {
      /** Permits came from the bucket that all workers share; `atMs` is Redis time, with a fraction. */
      readonly type: 'permits.granted'
      readonly app: AppId
      readonly count: number
      readonly atMs: number
    }
  | { readonly type: 'permits.waited'; readonly app: AppId; readonly waitMs: number }
  | {
      /** WNS throttled the app, and this worker was the first to lower its rate. */
      readonly type: 'rate.decreased'
      readonly app: AppId
      readonly ratePerSecond: number
      readonly throttledUntil?: string
    }
  | {
      /** A campaign starts faster than the guideline allows; the app's settings give the reason. */
      readonly type: 'guideline.exceeded'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly intervalSeconds: number
      readonly reason: string
    }
  | { readonly type: 'app.throttled'; readonly app: AppId; readonly status: number; readonly retryAfterMs?: number }
  | {
      /** Redis lost an acknowledged write of a batch in a failover or a crash. */
      readonly type: 'ledger.rolled-back'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly seq: number
    }
  | {
      /** The ledger of a campaign is in a state that no script writes, so the campaign was halted. */
      readonly type: 'ledger.damaged'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly seq?: number
      /** The batch, the field and its value; numbers only. */
      readonly found: string
    }
  | {
      /** A campaign has another version of the ledger, so this process leaves it alone. Once for each campaign. */
      readonly type: 'ledger.other-version'
      readonly app: AppId
      readonly campaign: CampaignId
      readonly found: string
    }
  | {
      /**
       * Redis lost its data or holds other data than before, so nothing is sent; without a problem: it is the same
       * data again or its loss was accepted, and sending resumes.
       */
      readonly type: 'data-set.changed'
      readonly problem?: string
    }
  | {
      /**
       * No replica acknowledges the writes of the ledger, so nothing is sent (only where `WNS_FANOUT_DURABILITY`
       * requires replicas). Without a problem: they acknowledge again.
       */
      readonly type: 'replication.changed'
      readonly problem?: string
    }
  | {
      /** An occurrence of a schedule became a campaign, or became one before a leader died. */
      readonly type: 'schedule.ran'
      readonly app: AppId
      readonly schedule: ScheduleName
      /** The occurrence, ISO 8601. */
      readonly dueAt: string
      readonly campaign: CampaignId
    }
  | {
      /** An occurrence of a schedule was rejected by the 30-minute guideline or because its audience does not exist. */
      readonly type: 'schedule.refused'
      readonly app: AppId
      readonly schedule: ScheduleName
      readonly dueAt: string
      readonly code: string
      readonly error: unknown
    }
  | {
      /**
       * The stored record of an app cannot be read, so nothing is sent for it. Reported once; other apps are not
       * affected.
       */
      readonly type: 'app.unreadable'
      readonly app: AppId
    }
  | {
      /** An occurrence of a schedule did not run: the API key that put the schedule is revoked or expired. */
      readonly type: 'schedule.stopped'
      readonly app: AppId
      readonly schedule: ScheduleName
      readonly dueAt: string
      /** The id of the key. */
      readonly createdBy: string
    }
  | {
      /** The stored record of a schedule cannot be read or has no times. Reported once; the other schedules run. */
      readonly type: 'schedule.unreadable'
      readonly app: AppId
      readonly schedule: ScheduleName
      readonly problem: string
    }
  | {
      /** A probe while the breaker of an app is open: how the post ended, and what that showed about the app. */
      readonly type: 'breaker.probed'
      readonly app: AppId
      readonly kind: 'credentials' | 'token' | 'answers'
      readonly answer: Outcome['kind']
      readonly verdict: 'closed' | 'refused' | 'unclear'
    }
  | {
      /** The receiver of a webhook took an event, after this many failed attempts. */
      readonly type: 'webhook.delivered'
      readonly app: AppId
      readonly webhook: WebhookName
      readonly eventType: AppEventType
      readonly durationMs: number
      readonly afterFailures: number
    }
  | {
      /** An attempt to deliver an event failed, by the status of the answer or the code of the missing one. */
      readonly type: 'webhook.failed'
      readonly app: AppId
      readonly webhook: WebhookName
      readonly eventType: AppEventType
      readonly durationMs: number
      /** Failed attempts in a row. */
      readonly failures: number
      readonly status?: number
      readonly code?: string
    }
  | {
      /**
       * An event is not delivered any more: it waited for a day, its receiver refused it too often, or events were
       * removed before their turn.
       */
      readonly type: 'webhook.gave-up'
      readonly app: AppId
      readonly webhook: WebhookName
      readonly reason: 'too-old' | 'refused' | 'removed'
    }
  | {
      /** The receiver of a webhook answered 410, so it gets no more events. */
      readonly type: 'webhook.disabled'
      readonly app: AppId
      readonly webhook: WebhookName
    }
  | { readonly type: 'token.unavailable'; readonly app: AppId; readonly error: unknown }
  | { readonly type: 'operation.failed'; readonly operation: string; readonly error: unknown }
  | { readonly type: 'reconciled'; readonly app: AppId; readonly reason: string; readonly count: number }

export type Listener = (event: FanoutEvent) => void
