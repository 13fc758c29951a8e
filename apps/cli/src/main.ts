#!/usr/bin/env node
import { CommanderError } from 'commander'
import { explain } from './explain.ts'
import { createProgram } from './program.ts'
import { visibleLines } from './terminal/screen.ts'

// `… | head` closes our stdout; that is a normal end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await createProgram().parseAsync()
  process.exit(0)
} catch (error) {
  // Commander has written the error, or the help.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  const { code, message, exitCode, extra } = explain(error)
  const json = process.argv.includes('--json')
  process.stderr.write(
    `${visibleLines(json ? JSON.stringify({ error: { code, message, ...extra } }) : `wns-fanout: ${message}`)}\n`,
  )
  if (process.env['DEBUG']) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(exitCode)
}
