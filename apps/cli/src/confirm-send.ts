import { createInterface } from 'node:readline/promises'
import type { Client } from '@wns-fanout/client'
import { ApiError } from '@wns-fanout/client'
import type { Campaign, CampaignRequest } from '@wns-fanout/domain'
import type { Context } from './context.ts'
import { Failure } from './failure.ts'
import { forecastLines } from './forecast-lines.ts'

/**
 * Create a campaign. Where the app wants a confirmation, a person at a terminal sees the dry run and confirms it;
 * elsewhere the message has the commands.
 */
export async function createConfirmed(
  api: Client,
  app: string,
  request: CampaignRequest,
  options: { readonly idempotencyKey?: string },
  context: Context,
): Promise<Campaign> {
  try {
    return await api.createCampaign(app, request, options)
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'confirmation-needed') throw error
    const isAttended = process.stdin.isTTY && process.stderr.isTTY && request.confirm === undefined
    if (!isAttended)
      throw new Failure(
        error.code,
        `${error.detail}\nRun the command with --dry-run, then again with --confirm and the digest that it shows.`,
        { cause: error },
      )
  }
  const { confirm: _, ...draft } = request
  const forecast = await api.dryRun(app, draft)
  for (const line of forecastLines(forecast)) process.stderr.write(`${line}\n`)
  await mustAgree(context)
  const digest = forecast.confirm?.digest
  return await api.createCampaign(app, digest === undefined ? draft : { ...draft, confirm: digest }, options)
}

async function mustAgree({ interrupted }: Context): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and Ctrl-D also end the question.
  const closed = new AbortController()
  terminal.once('close', () => closed.abort())
  const signal = AbortSignal.any([interrupted, closed.signal])
  const answer = await terminal.question('Send it? Type "yes": ', { signal }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'AbortError') return ''
    throw error
  })
  terminal.close()
  if (answer.trim() !== 'yes') throw new Failure('not-confirmed', 'nothing was sent')
}
