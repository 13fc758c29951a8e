/**
 * `pnpm bench <name> [--json]`: figures that compare, within one run on one machine. Absolute times mean nothing on a
 * shared machine; quote the ratios.
 */
import { parseArgs } from 'node:util'
import { benchCheckpoints } from './checkpoints.ts'
import { benchDurability } from './durability.ts'
import { benchFairness } from './fairness.ts'
import { benchLimiter } from './limiter.ts'
import { benchRecovery } from './recovery.ts'
import { benchSend } from './send.ts'
import { benchStorm } from './storm.ts'
import { benchThrottle } from './throttle.ts'

const help = `usage: pnpm bench <name> [options]

  send         CPU per notification: the whole pipeline against hand-written loops
  limiter      one app's rate shared by four workers that come and go: its use, and what goes over it
  throttle     the rate that four workers settle at when WNS takes less than is configured
  storm        an app whose every post is answered by 401, on eight workers, beside another app
  fairness     what a huge campaign leaves for another app's and for an urgent one of the same app
  recovery     how soon a campaign goes on after a worker was killed or stopped, and after Redis was away
  checkpoints  commands to Redis and CPU per 1,000 posts, against the same without checkpoints in mid-batch
  durability   throughput and CPU while posts wait for a replica of Redis, against the same while they do not

options
  --posts N         send, checkpoints, durability: posts of each contender in each round (30000, 40000, 40000)
  --rounds N        send, checkpoints, durability: rounds, taken in turn (3)
  --connections N   send: connections to the simulator (64)
  --seconds N       limiter, throttle, storm: how long it takes about (40, 75, 90)
  --recipients N    storm, fairness: recipients of the large campaign (20000, 1000000)
  --rate N          limiter, checkpoints: posts a second of what is limited (500, 1000)
  --burst N         limiter: permits after a quiet time (50)
  --lock-ms N       recovery: lock of a batch (60000, as shipped); the kills are repeated with 3000
  --kills N         recovery: workers killed with each lock (6)
  --stops N         recovery: workers told to stop (6)
  --outage N        recovery: seconds without Redis (60)
  --json            progress to stderr; the last line is one JSON object
`

function wrong(what: string): never {
  process.stderr.write(`${what}; --help shows what there is\n`)
  process.exit(2)
}
const options = {
  posts: { type: 'string' },
  rounds: { type: 'string', default: '3' },
  connections: { type: 'string', default: '64' },
  seconds: { type: 'string' },
  recipients: { type: 'string' },
  rate: { type: 'string' },
  burst: { type: 'string', default: '50' },
  'lock-ms': { type: 'string', default: '60000' },
  kills: { type: 'string', default: '6' },
  stops: { type: 'string', default: '6' },
  outage: { type: 'string', default: '60' },
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
function postsOr(posts: string): number {
  return whole('posts', values.posts ?? posts)
}
function rateOr(rate: string): number {
  return whole('rate', values.rate ?? rate)
}
function secondsOr(seconds: string): number {
  return whole('seconds', values.seconds ?? seconds)
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
  ['fairness', () => benchFairness({ recipients: recipientsOr('1000000'), say })],
  [
    'recovery',
    () =>
      benchRecovery({
        lockMs: whole('lock-ms', values['lock-ms']),
        kills: whole('kills', values.kills),
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
