import { createInterface } from 'node:readline/promises'
import { findRedis } from '../connection.ts'
import type { Context } from '../context.ts'
import { Failure } from '../failure.ts'
import { besideRedis } from '../stack/beside-redis.ts'
import { fieldOf } from '../stack/log-line.ts'
import { formatCount } from '../terminal/format.ts'

/** As the API's program tells it. */
interface LossReport {
  readonly missed: readonly { readonly dataSetId: string; readonly since: string }[]
  readonly now: {
    readonly apps: number
    readonly channels: number
    readonly campaigns: number
    readonly apiKeys: number
  }
  readonly accepted: boolean
}

/**
 * Shows which data is missed and what there is to go on with, and has the loss accepted once the operator agreed.
 * It talks to Redis, not to the API, whose keys may be lost with the rest.
 */
export async function acceptLoss(context: Context, yes: boolean): Promise<void> {
  const { screen } = context
  const redis = await findRedis(context)
  const look = async (...more: readonly string[]): Promise<LossReport> =>
    (await besideRedis({
      args: ['--accept-loss', ...more],
      env: redis.env,
      isAnswer: (line) => Array.isArray(fieldOf(line, 'missed')),
      failure: { code: 'redis', message: `Redis (from ${redis.from}) could not be asked what is lost` },
      // The line is of our own program, in the same version.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    })) as LossReport
  const found = await look()
  if (found.missed.length === 0) {
    screen.show(found, ['Nothing is missed, so there is no loss to accept.'])
    return
  }
  screen.says(linesOf(found, redis.from))
  if (!yes) await agree(context)
  const report = await look('--yes')
  screen.show(report, [
    report.accepted
      ? 'Accepted. API and workers go on within a second; "wns-fanout doctor" shows whether all is well.'
      : 'Nothing is missed any more, so nothing was changed.',
  ])
}

function linesOf({ missed, now }: LossReport, from: string): readonly string[] {
  return [
    ...missed.map(({ dataSetId, since }) => `Since ${since} processes miss the data set ${dataSetId}.`),
    `Redis (from ${from}) holds now: ${formatCount(now.apps)} apps, ${formatCount(now.channels)} channels, ` +
      `${formatCount(now.campaigns)} campaigns, ${formatCount(now.apiKeys)} API keys.`,
    'If a backup is to be restored, do that instead. Once the loss is accepted, sending goes on with what is there:',
    'apps and channels that are missing must be registered again, and nobody knows any more who was notified.',
  ]
}

/** Throws a `Failure` unless somebody at a terminal types "yes". */
async function agree({ interrupted }: Context): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new Failure('not-confirmed', 'nobody can be asked here, so nothing was changed; add --yes to accept the loss')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and Ctrl-D end the question too.
  const closed = new AbortController()
  terminal.once('close', () => closed.abort())
  const signal = AbortSignal.any([interrupted, closed.signal])
  const answer = await terminal.question('Accept the loss? Type "yes": ', { signal }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'AbortError') return ''
    throw error
  })
  terminal.close()
  if (answer.trim() !== 'yes') throw new Failure('not-confirmed', 'nothing was changed')
}
