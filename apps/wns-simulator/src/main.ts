#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { startSimulator } from './index.ts'
import { version } from './version.ts'

const HELP = `wns-simulator: a fake WNS and token service with faults

  --ca-file PATH        file for the certificate of the authority (required)
  --identity-file PATH  file that keeps authority and key across restarts; created if missing
  --host HOST           address of both ports                      (127.0.0.1)
  --port N              TLS port for senders, 0 for a free one     (0)
  --control-port N      HTTP control port, 0 for a free one        (0)
  --parent-pid N        exit when this process ends
  --exit-with-stdin     exit when standard input closes
  --version             show the version
  --help                show this text

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
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return void process.stdout.write(HELP)
  if (values.version) return void process.stdout.write(`${version}\n`)
  const caFile = values['ca-file']
  if (caFile === undefined) throw new Error('--ca-file is required; give the path for the certificate of the authority')
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
  throw new Error(`${flag} must be a whole number from 0 to ${most}; found ${JSON.stringify(text)}`)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process exists and belongs to another user.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`wns-simulator: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
