import type { AppId, AuditTrailName, Verification, WebhookTest } from '@wns-fanout/domain'
import type { Campaigns, CrashPoints, WorkersWanted } from '@wns-fanout/fanout'
import type { Logger } from '@wns-fanout/runtime'
import type {
  ApiKeys,
  AppEvents,
  AuditTrail,
  AppRecord,
  AppStore,
  Audiences,
  ChannelChanges,
  Idempotency,
  Ledger,
  Lists,
  Registry,
  Schedules,
  Stops,
  Templates,
  WebhookRecord,
  Webhooks,
} from '@wns-fanout/state'
import type { AgeGauges } from './age-gauges.ts'
import type { AuditDeps } from './audit/install.ts'
import type { WatchOptions } from './sse.ts'

/** How fast an app may send now. */
export interface RateView {
  readonly effectiveRatePerSecond: number
  /** Redis time; absent when nothing is held back. */
  readonly throttledUntilMs?: number
}

/** What the API is made of; `start.ts` wires it once. */
export interface ApiDeps extends CrashPoints {
  readonly logger: Logger
  /** Why nothing may be written now, because data is lost; for people. */
  readonly dataProblem: () => string | undefined
  /** Do the replicas that must have every write have all writes so far? Absent where none must. */
  readonly confirmWrites?: () => Promise<boolean>
  readonly apps: AppStore
  readonly registry: Registry
  readonly ages: AgeGauges
  readonly changes: ChannelChanges
  readonly audiences: Audiences
  readonly lists: Lists
  readonly campaigns: Campaigns
  readonly ledger: Pick<Ledger, 'oldestReadyAtMs'>
  readonly schedules: Schedules
  readonly templates: Templates
  readonly events: AppEvents
  readonly webhooks: Webhooks
  /** Posts a test event to a webhook now. */
  readonly testWebhook: (app: AppId, webhook: WebhookRecord) => Promise<WebhookTest>
  readonly apiKeys: ApiKeys
  readonly idempotency: Idempotency
  readonly stops: Stops
  readonly audit: AuditDeps & { readonly trails: Readonly<Record<AuditTrailName, AuditTrail>> }
  /** The workers that run, and how many are wanted. */
  readonly workers: { readonly count: () => Promise<number>; readonly wanted: WorkersWanted }
  readonly rateOf: (app: Pick<AppRecord, 'settings'>) => Promise<RateView>
  /** Asks the token service with the app's credentials now. */
  readonly verifyCredentials: (app: AppId) => Promise<Verification>
  /** The same, or the answer to the same credentials within the last minute. */
  readonly lastVerification: (app: AppId) => Promise<Verification>
  /** Other times than the usual ones for streams of progress. */
  readonly progress?: Partial<Pick<WatchOptions, 'pollMs' | 'progressMs' | 'heartbeatMs' | 'drainMs'>>
}
