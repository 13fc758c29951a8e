import type { CampaignsDeps, CrashPoints } from '@wns-fanout/fanout'
import { Campaigns, conditionOf, Queues, testWebhook, WorkersWanted } from '@wns-fanout/fanout'
import type { Auditor, Logger } from '@wns-fanout/runtime'
import { createAuditor } from '@wns-fanout/runtime'
import type {
  AppRecord,
  AuditTrailOptions,
  Keyring,
  Keys,
  RedisConnection,
  RevealedCredentials,
  SecretPlaces,
} from '@wns-fanout/state'
import {
  ApiKeys,
  AppEvents,
  AuditTrail,
  AppStore,
  Audiences,
  CampaignStore,
  Idempotency,
  Ledger,
  ChannelChanges,
  Lists,
  Permits,
  Registry,
  Schedules,
  Stops,
  Templates,
  recordDigest,
  Webhooks,
  registeredWorkers,
} from '@wns-fanout/state'
import type { TokenAnswer } from '@wns-fanout/domain'
import { AgeGauges } from './age-gauges.ts'
import type { Transport } from '@wns-fanout/wns'
import type { ApiDeps, RateView } from './deps.ts'
import { askedLately, askedNow, verifyCredentials } from './verify.ts'

export interface WireOptions extends CrashPoints, Pick<CampaignsDeps, 'onSlot'> {
  readonly redis: RedisConnection
  readonly keys: Keys
  readonly keyring: Keyring
  readonly logger: Logger
  readonly secrets: SecretPlaces
  /** Why nothing may be written now, for people; undefined when all is well. */
  readonly dataProblem?: () => string | undefined
  readonly confirmWrites?: (() => Promise<boolean>) | undefined
  readonly audit?: AuditWiring
  /** Opens the connections to receivers of webhooks. */
  readonly webhookTransport: Transport
  /** Asks the token service. */
  readonly askToken: (credentials: RevealedCredentials) => Promise<TokenAnswer>
}

export interface AuditWiring extends Pick<Parameters<typeof createAuditor>[0], 'write' | 'isShipped' | 'onUnstored'> {
  readonly limits: AuditTrailOptions
}

/** The audit log of an API process. */
export function wireAudit(redis: RedisConnection, keys: Keys, { limits, ...lines }: AuditWiring) {
  const trails = {
    control: new AuditTrail(redis, keys, 'control', limits),
    devices: new AuditTrail(redis, keys, 'devices', limits),
  }
  const auditor: Auditor = createAuditor({ append: (trail, facts) => trails[trail].append(facts), ...lines })
  return { trails, auditor }
}

/** Everything that the API is made of, on one connection; `close` ends what was opened here. */
export function wire(options: WireOptions) {
  const { redis, keys, keyring, logger, secrets, dataProblem, confirmWrites, askToken, reached, onSlot, audit } =
    options
  const webhooks = new Webhooks(redis, keys, keyring)
  const queues = new Queues(redis, keys, (queue, error) => logger.debug({ queue, err: error }, 'queue'))
  const apps = new AppStore(redis, keys, keyring, {
    secrets,
    onUnreadable: (app) => logger.error({ app }, 'the stored record of an app cannot be read'),
  })
  const registry = new Registry(redis, keys)
  const audiences = new Audiences(redis, keys)
  const permits = new Permits(redis, keys)
  const rateOf = async ({ settings }: Pick<AppRecord, 'settings'>): Promise<RateView> => {
    const { effectiveRate, pausedUntilMs } = await permits.look(settings.app, settings)
    return {
      effectiveRatePerSecond: effectiveRate,
      ...(pausedUntilMs === undefined ? {} : { throttledUntilMs: pausedUntilMs }),
    }
  }
  const ledger = new Ledger(redis, keys)
  const campaigns = new Campaigns({
    redis,
    keys,
    apps,
    registry,
    audiences,
    campaigns: new CampaignStore(redis, keys),
    ledger,
    queues,
    condition: conditionOf(apps, permits),
    reached,
    ...(onSlot === undefined ? {} : { onSlot }),
  })
  const deps: ApiDeps = {
    logger,
    dataProblem: dataProblem ?? (() => undefined),
    ...(confirmWrites === undefined ? {} : { confirmWrites }),
    apps,
    registry,
    ages: new AgeGauges(registry),
    audiences,
    lists: new Lists(redis, keys),
    changes: new ChannelChanges(redis, keys),
    campaigns,
    ledger,
    schedules: new Schedules(redis, keys),
    templates: new Templates(redis, keys),
    events: new AppEvents(redis, keys),
    webhooks,
    testWebhook: (app, webhook) => testWebhook(webhooks, options.webhookTransport, app, webhook),
    apiKeys: new ApiKeys(redis, keys),
    idempotency: new Idempotency(redis, keys),
    stops: new Stops(redis, keys, apps),
    audit: {
      ...wireAudit(redis, keys, audit ?? unshipped(logger)),
      digest: (kind, of) => recordDigest(redis, keys, kind, of),
    },
    workers: { count: () => registeredWorkers(redis, keys), wanted: new WorkersWanted() },
    rateOf,
    reached,
    verifyCredentials: verifyCredentials(apps, askedNow(askToken), logger),
    lastVerification: verifyCredentials(apps, askedLately(askedNow(askToken)), logger),
  }
  return { deps, close: () => queues.close() }
}

/** Without other options, the audit log is in Redis alone. */
function unshipped(logger: Logger): AuditWiring {
  return {
    limits: { maxEntries: 100_000, maxDays: 400 },
    isShipped: false,
    write: (line) => logger.error({ line }, 'an audit entry is not stored'),
    onUnstored: () => {},
  }
}
