#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { startSimulator } from './index.ts'

const HELP = `wns-simulator: a fake WNS and token service with faults

  --ca-file PATH      where to put the certificate of the authority (required)
  --identity-file PATH  keeps authority and key, so that a restart does not change them; made when missing
  --host HOST         where both ports listen                 (127.0.0.1)
  --port N            TLS port for senders, 0 for a free one  (0)
  --control-port N    control port, plain HTTP, 0 for a free one  (0)
  --parent-pid N      exit when this process is gone
  --exit-with-stdin   exit when standard input is closed
  --help              this text

Prints one JSON line {host, port, caFile, control} when it is ready; SIGTERM or SIGINT ends it.
`
const PARENT_CHECK_MS = 500

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'ca-file': { type: 'string' },
      'identity-file': { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      'control-port': { type: 'string', default: '0' },
      'parent-pid': { type: 'string' },
      'exit-with-stdin': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  const caFile = values['ca-file']
  if (caFile === undefined) throw new Error('--ca-file is required: the path where the CA certificate is to be put')
  const parentPid =
    values['parent-pid'] === undefined ? undefined : wholeNumber('--parent-pid', values['parent-pid'], 4_194_304)

  const simulator = await startSimulator({
    host: values.host,
    port: wholeNumber('--port', values.port, 65_535),
    controlPort: wholeNumber('--control-port', values['control-port'], 65_535),
    caFile,
    identityFile: values['identity-file'],
  })
  let stopping = false
  const stop = (): void => {
    if (stopping) return
    stopping = true
    void simulator.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  if (values['exit-with-stdin']) {
    process.stdin.on('end', stop).on('close', stop).on('error', stop).resume()
  }
  if (parentPid !== undefined) setInterval(() => isAlive(parentPid) || stop(), PARENT_CHECK_MS).unref()
  const { host, port, control } = simulator
  process.stdout.write(`${JSON.stringify({ host, port, caFile, control })}\n`)
}

function wholeNumber(flag: string, text: string, most: number): number {
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text)
  throw new Error(`${flag} takes a whole number from 0 to ${most}, found ${JSON.stringify(text)}`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there and not ours.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`wns-simulator: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
