/**
 * `pnpm bench <name> [--json]`: figures that compare, within one run on one machine. Absolute times mean nothing on a
 * shared machine; quote the ratios.
 */
import { parseArgs } from 'node:util'
import { benchFairness } from './fairness.ts'
import { benchLimiter } from './limiter.ts'
import { benchSend } from './send.ts'
import { benchStorm } from './storm.ts'
import { benchThrottle } from './throttle.ts'

const help = `usage: pnpm bench <name> [options]

  send      CPU per notification: the whole pipeline against hand-written loops
  limiter   one app's rate shared by four workers that come and go: its use, and what goes over it
  throttle  the rate that four workers settle at when WNS takes less than is configured
  storm     an app whose every post is answered by 401, on eight workers, beside another app
  fairness  what a huge campaign leaves for another app's and for an urgent one of the same app

options
  --posts N         send: posts of each contender in each round (30000)
  --rounds N        send: rounds, taken in turn (3)
  --connections N   send: connections to the simulator (64)
  --seconds N       limiter, throttle, storm: how long it takes about (40, 75, 90)
  --recipients N    storm, fairness: recipients of the large campaign (20000, 1000000)
  --rate N          limiter: posts a second (500)
  --burst N         limiter: permits after a quiet time (50)
  --json            progress to stderr; the last line is one JSON object
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    posts: { type: 'string', default: '30000' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string' },
    recipients: { type: 'string' },
    rate: { type: 'string', default: '500' },
    burst: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const whole = (name: string, text: string): number => {
  if (!/^[1-9]\d{0,8}$/.test(text)) {
    process.stderr.write(`--${name} must be a whole number of at least 1, found ${text}\n`)
    process.exit(2)
  }
  return Number(text)
}
const say = (line: string): void => {
  process.stderr.write(`${line}\n`)
}
const recipientsOr = (recipients: string): number => whole('recipients', values.recipients ?? recipients)
const secondsOr = (seconds: string): number => whole('seconds', values.seconds ?? seconds)

const benches = new Map<string | undefined, () => Promise<Record<string, unknown>>>([
  [
    'send',
    () =>
      benchSend({
        posts: whole('posts', values.posts),
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
        ratePerSecond: whole('rate', values.rate),
        burst: whole('burst', values.burst),
        say,
      }),
  ],
  ['storm', () => benchStorm({ seconds: secondsOr('90'), recipients: recipientsOr('20000'), say })],
  ['fairness', () => benchFairness({ recipients: recipientsOr('1000000'), say })],
  ['throttle', () => benchThrottle({ seconds: secondsOr('75'), say })],
])

const bench = positionals.length === 1 ? benches.get(positionals[0]) : undefined
if (values.help || bench === undefined) {
  process.stdout.write(help)
  process.exit(values.help ? 0 : 2)
}
process.stdout.write(`${JSON.stringify(await bench(), null, values.json ? undefined : 2)}\n`)
