import type { AppId } from '@wns-fanout/domain'
import type { Campaigns } from '@wns-fanout/fanout'
import type { Logger } from '@wns-fanout/runtime'
import type { ApiKeys, AppStore, Audiences, Idempotency, Lists, Registry } from '@wns-fanout/state'
import type { RateView } from './rate-view.ts'
import type { Verification } from './routes/apps.ts'
import type { WatchOptions } from './sse.ts'

/** What the API is made of; `start.ts` wires it once. */
export interface ApiDeps {
  readonly logger: Logger
  readonly apps: AppStore
  readonly registry: Registry
  readonly audiences: Audiences
  readonly lists: Lists
  readonly campaigns: Campaigns
  readonly apiKeys: ApiKeys
  readonly idempotency: Idempotency
  readonly rateOf: (app: AppId) => Promise<RateView>
  /** Asks the token service with the app's credentials now. */
  readonly verifyCredentials: (app: AppId) => Promise<Verification>
  /** Other times than the usual ones for streams of progress. */
  readonly progress?: Partial<Pick<WatchOptions, 'pollMs' | 'progressMs' | 'heartbeatMs' | 'drainMs'>>
}
