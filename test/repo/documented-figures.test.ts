import { expect, test } from 'vitest'
import { textOf } from './files.ts'

// Figures in the documentation and the constants that they describe. A row fails when either changes alone.

interface Figure {
  readonly page: string
  /** The sentence, with the figure as it is printed. */
  readonly sentence: string
  readonly file: string
  readonly constant: string
  readonly value: number
}

function figure(page: string, sentence: string, file: string, constant: string, value: number): Figure {
  return { page, sentence, file, constant, value }
}

const api = 'docs/api.md'
const architecture = 'docs/architecture.md'
const configuration = 'docs/configuration.md'
const guarantees = 'docs/guarantees.md'
const operations = 'docs/operations.md'
const security = 'docs/security.md'
const wns = 'docs/wns.md'

const figures: readonly Figure[] = [
  figure(
    'README.md',
    'restarts a worker or API that crashes after one second',
    'apps/cli/src/stack/start-stack.ts',
    'RESTART_AFTER_MS',
    1000,
  ),
  figure(api, 'up to 10,000 ids', 'packages/domain/src/audience.ts', 'MAX_LISTED_CHANNELS', 10_000),
  figure(api, 'Payloads have at most 5,000 bytes', 'packages/domain/src/notification.ts', 'MAX_PAYLOAD_BYTES', 5000),
  figure(api, 'kept 30 days', 'packages/state/src/lists.ts', 'LIST_DAYS', 30),
  figure(
    api,
    'at most 100 listed channels',
    'packages/fanout/src/campaign/guideline.ts',
    'MAX_LISTED_WITHOUT_PLACEHOLDER',
    100,
  ),
  figure(api, 'An app has at most 100 schedules', 'packages/state/src/schedules.ts', 'MAX_SCHEDULES', 100),
  figure(api, '`next` (the next five times)', 'apps/api/src/routes/schedules.ts', 'NEXT_RUNS', 5),
  figure(
    api,
    'the latest occurrence within the last hour runs late',
    'packages/fanout/src/campaign/schedules.ts',
    'LATE_MS',
    3_600_000,
  ),
  figure(api, 'acts once in 24 hours', 'packages/state/src/idempotency.ts', 'KEPT_SECONDS', 86_400),
  figure(api, 'a JSON body has at most 1 MB', 'apps/api/src/server.ts', 'MAX_BODY_BYTES', 1024 * 1024),
  figure(architecture, 'at most 512 recipients', 'packages/domain/src/page.ts', 'PAGE_SIZE', 512),
  figure(architecture, 'at most 256 batches ahead', 'packages/fanout/src/plan/plan.ts', 'LOOK_AHEAD', 256),
  figure(architecture, 'when fewer than 128 are left', 'packages/fanout/src/plan/plan.ts', 'WAKE_AT', 128),
  figure(
    architecture,
    'every 250 ms while there are any',
    'packages/fanout/src/send/checkpointer.ts',
    'CHECKPOINT_MS',
    250,
  ),
  figure(architecture, 'tag names (at most 1,000)', 'packages/state/src/registry.ts', 'MAX_TAG_NAMES', 1000),
  figure(
    architecture,
    'details of answers, at most 10,000',
    'packages/fanout/src/campaign/samples.ts',
    'MAX_SAMPLES',
    10_000,
  ),
  figure(
    architecture,
    'rejects campaigns above 80 % of Redis memory',
    'packages/fanout/src/campaign/campaigns.ts',
    'MEMORY_LIMIT',
    0.8,
  ),
  figure(
    configuration,
    'batches are parked after at most ten seconds',
    'apps/worker/src/wire.ts',
    'REPLICA_PATIENCE_MS',
    10_000,
  ),
  figure(
    guarantees,
    'Every 30 s, the leader enqueues batches',
    'packages/fanout/src/worker/worker.ts',
    'MAX_RECONCILE_MS',
    30_000,
  ),
  figure(
    guarantees,
    'Posts made before the loss is noticed (within 500 ms)',
    'packages/fanout/src/worker/worker.ts',
    'WATCH_MS',
    500,
  ),
  figure(
    guarantees,
    'batches that it released within the last minute',
    'packages/fanout/src/recover/rollback.ts',
    'REMEMBERED_MS',
    60_000,
  ),
  figure(guarantees, 'done or ten seconds old', 'packages/fanout/src/send/suspect-slot.ts', 'ALONE_MS', 10_000),
  figure(
    operations,
    'Revoking takes effect on all API processes within two seconds',
    'packages/state/src/api-keys.ts',
    'CACHE_MS',
    2000,
  ),
  figure(
    operations,
    'One worker posts one notification per minute',
    'packages/fanout/src/send/app-breaker.ts',
    'PROBE_EVERY_MS',
    60_000,
  ),
  figure(
    operations,
    'workers pause it for five seconds',
    'packages/fanout/src/send/host-breakers.ts',
    'HOST_REST_MS',
    5000,
  ),
  figure(operations, '`in-hand` (held for a minute)', 'packages/fanout/src/send/batch-run.ts', 'IN_HAND_MS', 60_000),
  figure(
    operations,
    'Its jobs are delayed by half a minute at a time',
    'packages/fanout/src/worker/unusable-ledgers.ts',
    'OTHER_VERSION_MS',
    30_000,
  ),
  figure(operations, 'one in sixteen is measured', 'packages/fanout/src/send/outcome-buffer.ts', 'DURATION_SAMPLE', 16),
  figure(operations, 'Beyond 1,000 apps, the label is `other`', 'packages/runtime/src/metrics.ts', 'MAX_APPS', 1000),
  figure(
    operations,
    'counters by class and type only for the first 100 apps',
    'packages/runtime/src/zero-counters.ts',
    'MAX_APPS_WITH_CLASSES',
    100,
  ),
  figure(
    operations,
    'a Redis that has been silent for three seconds',
    'apps/worker/src/redis-silence.ts',
    'SILENT_AFTER_MS',
    3000,
  ),
  figure(security, 'any file of at most 16 kB', 'packages/state/src/apps.ts', 'MAX_SECRET_FILE_BYTES', 16_384),
  figure(wns, 'The sender waits at least one second', 'packages/wns/src/retry-after.ts', 'MIN_RETRY_AFTER_MS', 1000),
  figure(wns, 'at most 15 minutes', 'packages/wns/src/retry-after.ts', 'MAX_RETRY_AFTER_MS', 900_000),
  figure(wns, 'A missing lifetime counts as one hour', 'packages/wns/src/token.ts', 'ASSUMED_LIFETIME_SECONDS', 3600),
  figure(wns, 'between one minute and one day', 'packages/wns/src/token.ts', 'MAX_LIFETIME_SECONDS', 86_400),
  figure(wns, 'more than 16 kB of headers', 'packages/wns/src/answer-reader.ts', 'MAX_HEAD_BYTES', 16_384),
  figure(wns, 'more than 64 kB of body', 'packages/wns/src/answer-reader.ts', 'MAX_BODY_BYTES', 65_536),
]

test.each(figures)('$page: "$sentence" is $constant', ({ page, sentence, file, constant, value }) => {
  expect(textOf(page).replaceAll(/\s+/g, ' ')).toContain(sentence)
  expect(constantOf(file, constant)).toBe(value)
})

/** The value of a numeric constant of a source file: a number, or a product of numbers. */
function constantOf(file: string, name: string): number {
  const expression = new RegExp(`\\bconst ${name} = ([\\d_.* ]+)$`, 'm').exec(textOf(file))?.[1]
  if (expression === undefined) throw new Error(`${file} has no numeric constant ${name}`)
  return expression.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1)
}
