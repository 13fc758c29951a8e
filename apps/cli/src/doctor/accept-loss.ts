import { createInterface } from 'node:readline/promises'
import { findRedis } from '../connection.ts'
import type { Context } from '../context.ts'
import { Failure } from '../failure.ts'
import { besideRedis } from '../stack/beside-redis.ts'
import { fieldOf } from '../stack/log-line.ts'
import { formatCount } from '../terminal/format.ts'

/** The report of the API's program. */
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
 * Shows which data set is missing and what Redis holds now, and accepts the loss after the operator confirmed it.
 * It connects to Redis, not to the API, because the API keys may be lost too.
 */
export async function acceptLoss(context: Context, yes: boolean): Promise<void> {
  const { screen } = context
  const redis = await findRedis(context)
  const look = async (...more: readonly string[]): Promise<LossReport> =>
    (await besideRedis({
      args: ['--accept-loss', ...more],
      env: redis.env,
      isAnswer: (line) => Array.isArray(fieldOf(line, 'missed')),
      failure: { code: 'redis', message: `Redis (from ${redis.from}) could not be checked for lost data` },
      // The line comes from our own program of the same version.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    })) as LossReport
  const found = await look()
  if (found.missed.length === 0) {
    screen.show(found, ['No data is missing, so there is no loss to accept.'])
    return
  }
  screen.writeLines(linesOf(found, redis.from))
  if (!yes) await agree(context)
  const report = await look('--yes')
  screen.show(report, [
    report.accepted
      ? 'Accepted. The API and the workers continue within a second; run "wns-fanout doctor" to check them.'
      : 'No data is missing any more; nothing was changed.',
  ])
}

function linesOf({ missed, now }: LossReport, from: string): readonly string[] {
  return [
    ...missed.map(({ dataSetId, since }) => `The data set ${dataSetId} is missing since ${since}.`),
    `Redis (from ${from}) holds now: ${formatCount(now.apps)} apps, ${formatCount(now.channels)} channels, ` +
      `${formatCount(now.campaigns)} campaigns, ${formatCount(now.apiKeys)} API keys.`,
    'If there is a backup, restore it instead. After the loss is accepted, sending continues with the data above:',
    'register the missing apps and channels again. The record of earlier notifications is lost.',
  ]
}

/** Throws a `Failure` unless an operator at a terminal types "yes". */
async function agree({ interrupted }: Context): Promise<void> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new Failure(
      'not-confirmed',
      'this is no terminal to confirm at, so nothing was changed; add --yes to accept the loss',
    )
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and Ctrl-D also end the question.
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
