import { expect, test } from 'vitest'
import { filesLike, textOf } from './files.ts'

// Figures in the documentation and the constants that they describe. A row fails when either changes alone.

interface Figure {
  readonly page: string
  /** The sentence, with the figure as it is printed. */
  readonly sentence: string
  /** The app or package of the constant. */
  readonly owner: string
  readonly constant: string
  readonly value: number
}

function figure(page: string, sentence: string, owner: string, constant: string, value: number): Figure {
  return { page, sentence, owner, constant, value }
}

const api = 'docs/api.md'
const architecture = 'docs/architecture.md'
const configuration = 'docs/configuration.md'
const guarantees = 'docs/guarantees.md'
const operations = 'docs/operations.md'
const wns = 'docs/wns.md'

const figures: readonly Figure[] = [
  figure('README.md', 'restarts a worker or API that crashes after one second', 'apps/cli', 'RESTART_AFTER_MS', 1000),
  figure(api, 'up to 10,000 ids', 'packages/domain', 'MAX_LISTED_CHANNELS', 10_000),
  figure(api, 'Payloads have at most 5,000 bytes', 'packages/domain', 'MAX_PAYLOAD_BYTES', 5000),
  figure(api, 'kept 30 days', 'packages/state', 'LIST_DAYS', 30),
  figure(api, 'at most 100 listed channels', 'packages/fanout', 'MAX_LISTED_WITHOUT_PLACEHOLDER', 100),
  figure(api, 'An app has at most 100 schedules', 'packages/state', 'MAX_SCHEDULES', 100),
  figure(api, '`next` (the next five times)', 'apps/api', 'NEXT_RUNS', 5),
  figure(api, 'the latest occurrence within the last hour runs late', 'packages/fanout', 'LATE_MS', 3_600_000),
  figure(api, 'acts once in 24 hours', 'packages/state', 'KEPT_SECONDS', 86_400),
  figure(api, 'a JSON body has at most 1 MB', 'apps/api', 'MAX_BODY_BYTES', 1024 * 1024),
  figure(architecture, 'at most 512 recipients', 'packages/domain', 'PAGE_SIZE', 512),
  figure(architecture, 'ten seconds of the rate ahead', 'packages/fanout', 'LOOK_AHEAD_SECONDS', 10),
  figure(architecture, 'two seconds of the rate', 'packages/fanout', 'BATCH_SECONDS', 2),
  figure(architecture, 'at most 256 batches that are not closed', 'packages/fanout', 'MAX_LIVE_BATCHES', 256),
  figure(architecture, 'every 250 ms while there are any', 'packages/fanout', 'CHECKPOINT_MS', 250),
  figure(architecture, 'tag names (at most 1,000)', 'packages/state', 'MAX_TAG_NAMES', 1000),
  figure(architecture, 'details of answers, at most 10,000', 'packages/fanout', 'MAX_SAMPLES', 10_000),
  figure(architecture, 'rejects campaigns above 80 % of Redis memory', 'packages/fanout', 'MEMORY_LIMIT', 0.8),
  figure(configuration, 'batches are parked after at most ten seconds', 'apps/worker', 'REPLICA_PATIENCE_MS', 10_000),
  figure(guarantees, 'Every 30 s, the leader enqueues batches', 'packages/fanout', 'MAX_RECONCILE_MS', 30_000),
  figure(guarantees, 'Posts made before the loss is noticed (within 500 ms)', 'packages/fanout', 'WATCH_MS', 500),
  figure(guarantees, 'released within the last ten minutes', 'packages/fanout', 'REMEMBERED_MS', 600_000),
  figure(guarantees, 'ten minutes (2,048 batches at most)', 'packages/fanout', 'MAX_BATCHES', 2048),
  figure(guarantees, 'done or ten seconds old', 'packages/fanout', 'ALONE_MS', 10_000),
  figure(
    operations,
    'Revoking takes effect on all API processes within two seconds',
    'packages/state',
    'CACHE_MS',
    2000,
  ),
  figure(operations, 'One worker posts one notification per minute', 'packages/fanout', 'PROBE_EVERY_MS', 60_000),
  figure(operations, 'workers pause it for five seconds', 'packages/fanout', 'HOST_REST_MS', 5000),
  figure(operations, '`in-hand` (held for a minute)', 'packages/fanout', 'IN_HAND_MS', 60_000),
  figure(operations, 'Its jobs are delayed by half a minute at a time', 'packages/fanout', 'OTHER_VERSION_MS', 30_000),
  figure(operations, 'one in sixteen is measured', 'packages/fanout', 'DURATION_SAMPLE', 16),
  figure(operations, 'Beyond 1,000 apps, the label is `other`', 'packages/runtime', 'MAX_APPS', 1000),
  figure(
    operations,
    'counters by class and type only for the first 100 apps',
    'packages/runtime',
    'MAX_APPS_WITH_CLASSES',
    100,
  ),
  figure(operations, 'a Redis that has been silent for three seconds', 'apps/worker', 'SILENT_AFTER_MS', 3000),
  figure(operations, 'A file is at most 16 kB', 'packages/state', 'MAX_SECRET_FILE_BYTES', 16_384),
  figure(wns, 'The sender waits at least one second', 'packages/wns', 'MIN_RETRY_AFTER_MS', 1000),
  figure(wns, 'at most 15 minutes', 'packages/wns', 'MAX_RETRY_AFTER_MS', 900_000),
  figure(wns, 'A missing lifetime counts as one hour', 'packages/wns', 'ASSUMED_LIFETIME_SECONDS', 3600),
  figure(wns, 'between one minute and one day', 'packages/wns', 'MAX_LIFETIME_SECONDS', 86_400),
  figure(wns, 'more than 16 kB of headers', 'packages/wns', 'MAX_HEAD_BYTES', 16_384),
  figure(wns, 'more than 64 kB of body', 'packages/wns', 'MAX_BODY_BYTES', 65_536),
]

test.each(figures)('$page: "$sentence" is $constant', ({ page, sentence, owner, constant, value }) => {
  expect(textOf(page).replaceAll(/\s+/g, ' ')).toContain(sentence)
  expect(constantsOf(owner, constant)).toEqual(new Set([value]))
})

/** The values of a numeric constant in the sources of an app or package: a number, or a product of numbers. */
function constantsOf(owner: string, name: string): ReadonlySet<number> {
  const sources = filesLike(new RegExp(`^${owner}/src/.*\\.ts$`)).map(textOf)
  const expressions = sources.flatMap((text) => [
    ...text.matchAll(new RegExp(`\\bconst ${name} = ([\\d_.* ]+)$`, 'gm')),
  ])
  return new Set(expressions.map(([, expression = '']) => productOf(expression)))
}

function productOf(expression: string): number {
  return expression.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1)
}
