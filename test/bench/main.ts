/**
 * `pnpm bench <name> [--json]`: figures that compare, within one run on one machine. Absolute times mean nothing on a
 * shared machine; quote the ratios.
 */
import { parseArgs } from 'node:util'
import { benchApps } from './apps.ts'
import { benchCheckpoints } from './checkpoints.ts'
import { benchDurability } from './durability.ts'
import { benchFairness } from './fairness.ts'
import { benchLimiter } from './limiter.ts'
import { benchMemory } from './memory.ts'
import { benchPlan } from './plan.ts'
import { benchRecovery } from './recovery.ts'
import { benchRegistry } from './registry.ts'
import { benchScale } from './scale.ts'
import { benchScaling } from './scaling.ts'
import { benchSend } from './send.ts'
import { benchStorm } from './storm.ts'
import { benchThrottle } from './throttle.ts'

const help = `usage: pnpm bench <name> [options]

  send         CPU per notification: the whole pipeline against hand-written loops
  limiter      one app's rate shared by four workers that start and stop: its use, and any excess
  throttle     the rate of four workers when WNS accepts less than the configured rate
  storm        an app that gets only 401, on eight workers, next to another app
  fairness     the share of another app, and how the campaigns of one app share its rate
  recovery     how soon a campaign resumes after a worker is killed, stopped or frozen, and after a Redis outage
  checkpoints  Redis commands and CPU per 1,000 posts, with and without checkpoints within a batch
  durability   throughput and CPU with and without waiting for a Redis replica
  plan         the start of a campaign by the size of its audience: request, first post, whole plan
  scale        the rate that lanes and workers reach, as a share of what the latency of WNS allows
  scaling      workers, their minutes and the time of campaigns, in virtual time
  registry     a table of devices in and out: bytes for each channel, and speed against a bare loop
  apps         an idle worker by the number of its apps: CPU, memory, connections, and the first post of any app
  memory       the memory of a worker at full speed, by the number of recipients

options
  --posts N         send, checkpoints, durability: posts per contender and round (30000, 40000, 40000)
  --channels N      registry: rows of the table (1000000)
  --rounds N        send, checkpoints, durability, registry, scale: alternating rounds (3)
  --connections N   send: connections to the simulator (64)
  --seconds N       limiter, throttle, storm, scale: approximate duration (40, 75, 90; scale: 6 of each run);
                    apps: seconds of idleness at each number of apps (10)
  --recipients N    storm, fairness, memory, plan: recipients of the large campaign (20000, 1000000, 1000000, 10000000)
  --tries N         fairness: small and urgent campaigns beside a broadcast, at each rate; plan: campaigns;
                    apps: campaigns at each number of apps (20, 5, 20)
  --rate N          limiter, checkpoints: limit in posts per second (500, 1000)
  --burst N         limiter: permits after an idle time (50)
  --kills N         recovery: workers killed at a limited rate (12)
  --fast-kills N    recovery: workers killed at full speed (8)
  --freeze N        recovery: seconds that a worker is frozen (20)
  --stops N         recovery: workers stopped (6)
  --outage N        recovery: seconds without Redis (60)
  --apps N          apps: the most apps (2000); 100 for a quick run
  --unlimited       memory: without the limits that the manifests set
  --json            progress to stderr; the last line is one JSON object
`

function wrong(what: string): never {
  process.stderr.write(`${what}; --help lists the benchmarks\n`)
  process.exit(2)
}
const options = {
  posts: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  connections: { type: 'string', default: '64' },
  seconds: { type: 'string' },
  recipients: { type: 'string' },
  channels: { type: 'string', default: '1000000' },
  rate: { type: 'string' },
  burst: { type: 'string', default: '50' },
  tries: { type: 'string' },
  kills: { type: 'string', default: '12' },
  'fast-kills': { type: 'string', default: '8' },
  freeze: { type: 'string', default: '20' },
  stops: { type: 'string', default: '6' },
  outage: { type: 'string', default: '60' },
  apps: { type: 'string', default: '2000' },
  unlimited: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const
function read() {
  try {
    return parseArgs({ allowPositionals: true, options })
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
}
const { values, positionals } = read()

function whole(name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    wrong(`--${name} must be a whole number of at least 1, found ${text}`)
  }
  return Number(text)
}
function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
function recipientsOr(recipients: string): number {
  return whole('recipients', values.recipients ?? recipients)
}
function triesOr(tries: string): number {
  return whole('tries', values.tries ?? tries)
}
function postsOr(posts: string): number {
  return whole('posts', values.posts ?? posts)
}
function rateOr(rate: string): number {
  return whole('rate', values.rate ?? rate)
}
function secondsOr(seconds: string): number {
  return whole('seconds', values.seconds ?? seconds)
}

/** 10,000, 100,000 and so on, below the largest audience, and that. */
function sizesUpTo(largest: number): readonly number[] {
  const sizes = []
  for (let size = 10_000; size < largest; size *= 10) sizes.push(size)
  return [...sizes, largest]
}

function numbersOfAppsUpTo(most: number): readonly number[] {
  return [...[1, 10, 100, 400, 2000].filter((apps) => apps < most), most]
}

const benches = new Map<string | undefined, () => Promise<Record<string, unknown>>>([
  [
    'send',
    () =>
      benchSend({
        posts: postsOr('30000'),
        rounds: whole('rounds', values.rounds),
        connections: whole('connections', values.connections),
        say,
      }),
  ],
  [
    'limiter',
    () =>
      benchLimiter({
        seconds: secondsOr('40'),
        ratePerSecond: rateOr('500'),
        burst: whole('burst', values.burst),
        say,
      }),
  ],
  ['storm', () => benchStorm({ seconds: secondsOr('90'), recipients: recipientsOr('20000'), say })],
  ['fairness', () => benchFairness({ recipients: recipientsOr('1000000'), tries: triesOr('20'), say })],
  ['plan', () => benchPlan({ sizes: sizesUpTo(recipientsOr('10000000')), tries: triesOr('5'), say })],
  [
    'recovery',
    () =>
      benchRecovery({
        kills: whole('kills', values.kills),
        fastKills: whole('fast-kills', values['fast-kills']),
        freezeSeconds: whole('freeze', values.freeze),
        stops: whole('stops', values.stops),
        outageSeconds: whole('outage', values.outage),
        say,
      }),
  ],
  [
    'checkpoints',
    () =>
      benchCheckpoints({
        posts: postsOr('40000'),
        rounds: whole('rounds', values.rounds),
        ratePerSecond: rateOr('1000'),
        say,
      }),
  ],
  ['durability', () => benchDurability({ posts: postsOr('40000'), rounds: whole('rounds', values.rounds), say })],
  [
    'registry',
    () =>
      benchRegistry({
        channels: whole('channels', values.channels),
        rounds: whole('rounds', values.rounds),
        say,
      }),
  ],
  ['memory', () => benchMemory({ sizes: sizesUpTo(recipientsOr('1000000')), limited: !values.unlimited, say })],
  ['scale', () => benchScale({ seconds: secondsOr('6'), rounds: whole('rounds', values.rounds), say })],
  [
    'apps',
    () =>
      benchApps({
        sizes: numbersOfAppsUpTo(whole('apps', values.apps)),
        seconds: secondsOr('10'),
        tries: triesOr('20'),
        say,
      }),
  ],
  ['scaling', () => benchScaling({ say })],
  ['throttle', () => benchThrottle({ seconds: secondsOr('75'), say })],
])

if (values.help || positionals.length === 0) {
  process.stdout.write(help)
  process.exit(values.help ? 0 : 2)
}
const bench =
  (positionals.length === 1 ? benches.get(positionals[0]) : undefined) ??
  wrong(`wanted one of ${[...benches.keys()].join(', ')}; found ${positionals.join(' ')}`)
process.stdout.write(`${JSON.stringify(await bench(), null, values.json ? undefined : 2)}\n`)
