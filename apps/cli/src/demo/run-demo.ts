import { createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Client } from '@wns-fanout/client'
import { createClient } from '@wns-fanout/client'
import type { Campaign } from '@wns-fanout/domain'
import { describeExit, removeStackFile, temporaryFolder } from '@wns-fanout/local'
import { Failure } from '../failure.ts'
import { follow } from '../follow.ts'
import { folderAt } from '../stack/folder.ts'
import type { Stack } from '../stack/start-stack.ts'
import { startStack } from '../stack/start-stack.ts'
import { formatBytes, formatCount, formatRate } from '../terminal/format.ts'
import { createProgress } from '../terminal/progress.ts'
import type { Screen } from '../terminal/screen.ts'
import { untilInterrupted } from '../context.ts'
import { Comparison } from './comparison.ts'
import { workerUse } from './measure.ts'
import { importLine, mix, numberOf } from './mix.ts'
import type { DemoResult, Phase } from './report.ts'
import { readPosts, readStats } from './simulator.ts'

export interface DemoOptions {
  readonly channels: number
  readonly workers: number
  readonly screen: Screen
  readonly interrupted: AbortSignal
}

const APP = 'demo'
const PACKAGE_SID = 'S-1-15-2-1609473798-1231923017-684268153-4268514328-882773646-2760585773-1760938157'
const LINES_PER_CHUNK = 256
/** A channel that always answers 500 is retried until no attempts are left; few attempts keep the demo short. */
const MAX_ATTEMPTS = 3
const RATE_PER_SECOND = 100_000

/**
 * Runs a stack in a temporary folder, fills a registry, sends one campaign, and compares every recipient with the
 * simulator's record. Everything is removed at the end.
 */
export async function runDemo({ channels, workers, screen, interrupted }: DemoOptions): Promise<DemoResult> {
  await using temporary = await temporaryFolder('wns-fanout-demo-')
  const folder = folderAt(temporary.path)
  const phases: Phase[] = []
  const startedMs = performance.now()
  screen.say(
    `Starting Redis, a simulator of WNS, the API and ${workers} ${workers === 1 ? 'worker' : 'workers'} ` +
      'in a temporary folder.',
  )
  const stack = await startStack({
    folder,
    redisUrl: null,
    persistence: 'aof',
    simulate: true,
    workers,
    port: 0,
    restart: true,
    // The operator's shell may be configured for another installation.
    env: { WNS_FANOUT_PREFIX: 'demo:', WNS_FANOUT_APPS: undefined, WNS_FANOUT_LOCK_MS: undefined, LOG_LEVEL: 'info' },
    log: (line) => screen.say(line),
    signal: interrupted,
  })
  try {
    phases.push({ name: 'start', tookMs: performance.now() - startedMs, note: 'Redis, simulator, API and workers' })
    const file = join(temporary.path, 'channels.ndjson')
    const work = play(stack, phases, { channels, workers, screen, interrupted, file })
    // After an interruption its next request fails; that is expected.
    work.catch(() => {})
    const end = await Promise.race([work, untilInterrupted(interrupted), stack.failed])
    if (end === 'interrupted')
      throw new Failure('interrupted', 'interrupted; everything that the demo started has been stopped and removed')
    if ('exit' in end)
      throw new Failure('part-ended', `${end.name} ended (${describeExit(end.exit)}) while the demo ran`)
    return end
  } finally {
    await stack.stop()
    await removeStackFile(folder.stackFile)
  }
}

async function play(
  stack: Stack,
  phases: Phase[],
  options: DemoOptions & { readonly file: string },
): Promise<DemoResult> {
  const { channels, screen, interrupted } = options
  const { api: url, apiKey, simulator } = stack.current()
  if (simulator === null) throw new Error('the demo runs with a simulator')
  const api = createClient({ url, apiKey })
  const phase = async <T>(
    name: string,
    act: () => Promise<T>,
    noteOf: (tookMs: number, result: T) => string,
  ): Promise<T> => {
    const startedMs = performance.now()
    const result = await act()
    const tookMs = performance.now() - startedMs
    phases.push({ name, tookMs, note: noteOf(tookMs, result) })
    return result
  }

  await registerApp(api)
  screen.say(
    `Registered the app "${APP}". Writing ${formatCount(channels)} channels to an NDJSON file and importing it.`,
  )
  await phase(
    'write',
    async () => await writeChannels(options.file, options),
    () => 'the NDJSON file',
  )
  await phase(
    'import',
    async () => await importChannels(api, options.file, options),
    (tookMs) => `${formatRate(channels / (tookMs / 1000))}: read, checked and stored`,
  )

  screen.say(`Sending one tile to all of them. ${sayMix()}`)
  const before = performance.now()
  let mostMs: number | null = null
  const campaign = await phase(
    'send',
    async () => {
      const created = await api.createCampaign(APP, {
        name: 'demo',
        notification: {
          type: 'tile',
          content: { wide: { lines: ['Hello from wns-fanout', 'One campaign, every device, every outcome counted'] } },
        },
        audience: { all: true },
      })
      return await follow(api, created, {
        progress: createProgress(screen, 'send  '),
        signal: interrupted,
        onUpdate: (now) => {
          if (
            mostMs === null &&
            now.audienceSize !== null &&
            now.audienceSize - now.totals.pending >= now.audienceSize * 0.99
          )
            mostMs = performance.now() - before
        },
      })
    },
    (tookMs) =>
      `${formatRate(channels / (tookMs / 1000))} on average, with retries (1 s, then 2 s) ` +
      'and a pause of 2 s for throttled channels',
  )
  // An interruption also ends `follow`; then there is nothing to compare.
  interrupted.throwIfAborted()
  const sendMs = performance.now() - before

  screen.say("Comparing the result of every recipient with the simulator's record of its address.")
  const comparison = await phase(
    'compare',
    async () => await compare(api, campaign, simulator.control, channels),
    () => 'two NDJSON streams, one byte per recipient in memory',
  )
  return {
    channels,
    campaign,
    verdict: comparison.verdict(campaign.totals),
    stats: await readStats(simulator.control),
    phases,
    sendMs,
    mostMs,
    workers: await workerUse(stack.current()),
    channelsLeft: await countChannels(api),
  }
}

async function registerApp(api: Client): Promise<void> {
  await api.putApp(APP, {
    displayName: 'Demo',
    credentials: { kind: 'store', packageSid: PACKAGE_SID, clientSecret: 'demo-secret' },
    ratePerSecond: RATE_PER_SECOND,
    maxAttempts: MAX_ATTEMPTS,
  })
}

/** Writes the import file with one line per channel, as an app's backend would export it. */
async function writeChannels(path: string, { channels, screen, interrupted }: DemoOptions): Promise<void> {
  const progress = createProgress(screen, 'write ')
  function* chunks(): Generator<string> {
    for (let n = 0; n < channels;) {
      let text = ''
      for (const end = Math.min(channels, n + LINES_PER_CHUNK); n < end; n += 1) text += importLine(n, PACKAGE_SID)
      yield text
      progress.update({ done: n, total: channels, note: `${formatCount(n)} of ${formatCount(channels)}` })
    }
  }
  await pipeline(Readable.from(chunks(), { objectMode: false }), createWriteStream(path, { mode: 0o600 }), {
    signal: interrupted,
  })
  progress.end({ done: channels, total: channels, note: `${formatCount(channels)} lines` })
}

async function importChannels(
  api: Client,
  path: string,
  { channels, screen, interrupted }: DemoOptions,
): Promise<void> {
  const progress = createProgress(screen, 'import')
  const { size } = await stat(path)
  const startedMs = performance.now()
  const result = await api.importChannels(
    APP,
    { file: path },
    {
      type: 'ndjson',
      signal: interrupted,
      onProgress: (bytes) => {
        const rate = (channels * bytes) / size / ((performance.now() - startedMs) / 1000)
        progress.update({
          done: bytes,
          total: size,
          note: `${formatBytes(bytes)} of ${formatBytes(size)}  ${formatRate(rate)}`,
        })
      },
    },
  )
  progress.end({ done: size, total: size, note: `${formatCount(result.created)} channels` })
  if (result.created !== channels)
    throw new Failure(
      'import',
      `${formatCount(result.rejected)} of ${formatCount(channels)} channels were rejected: ${JSON.stringify(result.errors.slice(0, 3))}`,
    )
}

function sayMix(): string {
  return `Of 1,000 addresses ${mix.map(({ behavior, perMille }) => `${perMille} ${behavior}`).join(', ')}.`
}

async function compare(api: Client, campaign: Campaign, control: string, channels: number): Promise<Comparison> {
  const comparison = new Comparison(channels)
  for await (const result of api.results(campaign.id))
    comparison.addOurs(numberOf(result.channel), result.class, result.posts)
  await readPosts(control, comparison)
  return comparison
}

async function countChannels(api: Client): Promise<number> {
  const { count } = await api.countChannels(APP, { all: true })
  return count
}
