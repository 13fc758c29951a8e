import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { Campaign, CampaignRequest } from '@wns-fanout/domain'
import type { TestStack } from '../../support/stack.ts'

/** A tile of a usual size for all; at least once, so with a window of 256 and a checkpoint each 128 outcomes. */
export const tileToAll: CampaignRequest = {
  notification: {
    type: 'tile',
    content: { medium: { lines: ['Hello from the benchmark, a payload of usual size'] } },
  },
  audience: { all: true },
}

/** A toast likewise; at most once, so with a window of 64 and a checkpoint each 32 outcomes. */
export const toastToAll: CampaignRequest = {
  notification: { type: 'toast', content: { title: 'Hello from the benchmark, a payload of usual size' } },
  audience: { all: true },
}

/** A separate client for the nth app, so that the simulator can distinguish apps. */
export function sidOf(n: number): string {
  return `S-1-15-2-${n}-2-3-4-5-6-7`
}

export interface BenchApp {
  readonly app: string
  readonly client: string
  readonly channels: number
  readonly ratePerSecond: number
  readonly burst?: number
}

/** Register an app, or give it another rate. */
export async function putApp(
  { api }: TestStack,
  { app, client, ratePerSecond, burst = Math.max(1, Math.round(ratePerSecond / 10)) }: Omit<BenchApp, 'channels'>,
): Promise<void> {
  await api.putApp(app, {
    credentials: { kind: 'store', packageSid: client, clientSecret: 'bench-secret' },
    ratePerSecond,
    burst,
  })
}

/** Register an app and its channels, all of which take what they are sent. */
export async function prepareApp(stack: TestStack, { channels, ...benchApp }: BenchApp): Promise<void> {
  const { api } = stack
  const { app } = benchApp
  await putApp(stack, benchApp)
  const lines = function* (): Generator<string> {
    for (let n = 0; n < channels; n += 1)
      yield `${JSON.stringify({
        channel: `device-${n}`,
        uri: `https://db5p.notify.windows.com/?token=ok.any.${app}-${n}`,
        // A personalized campaign needs a variable that one of its recipients has.
        ...(n === 0 ? { vars: { name: 'Ada' } } : {}),
      })}\n`
  }
  const result = await api.importChannels(app, Readable.from(lines(), { objectMode: false }), { type: 'ndjson' })
  if (result.created !== channels) throw new Error(`only ${result.created} of ${channels} channels were imported`)
}

/** Look at the campaign every `everyMs` until `look` answers true; throws when that takes longer than `timeoutMs`. */
export async function follow(
  { api }: TestStack,
  id: string,
  look: (now: Campaign) => boolean | Promise<boolean>,
  { everyMs = 250, timeoutMs = 600_000 }: { readonly everyMs?: number; readonly timeoutMs?: number } = {},
): Promise<Campaign> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const now = await api.campaign(id)
    if (await look(now)) return now
    if (performance.now() > deadlineMs)
      throw new Error(`campaign ${id} is ${now.state} after ${timeoutMs} ms: ${JSON.stringify(now.totals)}`)
    await wait(everyMs)
  }
}

export function isFinished(now: Campaign): boolean {
  return now.finishedAt !== undefined
}

/** Three digits are more than a shared machine deserves. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
