/**
 * `pnpm bench <name> [--json]`: figures that compare, within one run on one machine. Absolute times mean nothing on a
 * shared machine; quote the ratios.
 */
import { parseArgs } from 'node:util'
import { benchSend } from './send.ts'

const help = `usage: pnpm bench <name> [options]

  send      CPU per notification: the whole pipeline against hand-written loops

options
  --posts N         posts of each contender in each round (30000)
  --rounds N        rounds, taken in turn (3)
  --connections N   connections to the simulator (64)
  --json            progress to stderr; the last line is one JSON object
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    posts: { type: 'string', default: '30000' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
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

if (values.help || positionals.length !== 1 || positionals[0] !== 'send') {
  process.stdout.write(help)
  process.exit(values.help ? 0 : 2)
}

const result = await benchSend({
  posts: whole('posts', values.posts),
  rounds: whole('rounds', values.rounds),
  connections: whole('connections', values.connections),
  say: (line) => process.stderr.write(`${line}\n`),
})
process.stdout.write(`${JSON.stringify(result, null, values.json ? undefined : 2)}\n`)
