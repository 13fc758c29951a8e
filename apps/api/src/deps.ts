import type { AppId } from '@wns-fanout/domain'
import type { Logger } from '@wns-fanout/runtime'
import type { AppStore, Registry } from '@wns-fanout/state'
import type { ApiKeysPort, CampaignsPort, CountPort, IdempotencyPort, ListsPort } from './ports.ts'
import type { Verification } from './routes/apps.ts'
import type { WatchOptions } from './sse.ts'

/** How fast an app may send now. */
export interface RateView {
  readonly effectiveRatePerSecond: number
  readonly throttledUntilMs?: number
}

/** What the API is made of; `main.ts` wires it once. */
export interface ApiDeps {
  readonly logger: Logger
  readonly apps: AppStore
  readonly registry: Registry
  readonly audiences: CountPort
  readonly lists: ListsPort
  readonly campaigns: CampaignsPort
  readonly apiKeys: ApiKeysPort
  readonly idempotency: IdempotencyPort
  readonly rateOf: (app: AppId) => Promise<RateView>
  /** Asks the token service with the app's credentials now. */
  readonly verifyCredentials: (app: AppId) => Promise<Verification>
  /** Other times than the usual ones for streams of progress. */
  readonly progress?: Partial<Pick<WatchOptions, 'pollMs' | 'progressMs' | 'heartbeatMs' | 'drainMs'>>
}
