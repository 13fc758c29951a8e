import type { AppId, CampaignId } from '@wns-fanout/domain'
import type {
  AppStore,
  Audiences,
  CampaignStore,
  Keys,
  Ledger,
  RedisConnection,
  Registry,
  SlotDecision,
} from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import type { Queues } from '../worker/queues.ts'
import type { AppCondition } from './view.ts'

export interface CampaignsDeps extends CrashPoints {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly apps: AppStore
  readonly registry: Registry
  readonly audiences: Audiences
  readonly campaigns: CampaignStore
  readonly ledger: Ledger
  readonly queues: Pick<Queues, 'enqueue'>
  /** What slows or stops an app now. */
  readonly condition: (app: AppId) => Promise<AppCondition>
  /** Called with what the guard decided about the slot of a new campaign's topic. */
  readonly onSlot?: (app: AppId, decision: SlotDecision | 'refused') => void
}

export interface CreateOptions {
  /** The campaign to some of whose recipients it sends again. */
  readonly parent?: CampaignId
  /** The same key stands for the same campaign: it is created once, even if the process dies before it returns. */
  readonly idempotencyKey?: string | undefined
  /** The id of the API key that makes it. */
  readonly createdBy?: string | undefined
  /** Called with the number of recipients now, if the audience exists yet. */
  readonly onCounted?: ((recipients: number) => void) | undefined
  /** It is an occurrence of a schedule that was confirmed, or goes to recipients that a confirmed campaign missed. */
  readonly isConfirmed?: boolean | undefined
}
