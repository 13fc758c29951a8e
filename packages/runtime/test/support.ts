import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { runScript, type Script } from '@wns-fanout/testing'
import { onTestFinished } from 'vitest'
import { type Logger, createLogger } from '../src/index.ts'

export interface Listening {
  readonly logger: Logger
  readonly text: () => string
  readonly lines: () => Record<string, unknown>[]
}

/** A logger whose lines can be looked at. */
export function listen(level = 'trace'): Listening {
  let text = ''
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString('utf8')
      done()
    },
  })
  return {
    logger: createLogger({ name: 'test', level, destination }),
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every line of a logger is an object
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  }
}

/** Runs a fixture as a separate process; a process that is left at the end of the test is killed. */
export function startFixture(name: string, args: readonly string[], env?: NodeJS.ProcessEnv): Script {
  const path = fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))
  const script = runScript(path, env === undefined ? { args } : { args, env })
  onTestFinished(() => script[Symbol.asyncDispose]())
  return script
}

/** The complete lines that a script has written to stdout so far. */
export function linesOf(script: Script): string[] {
  return script.stdout().split('\n').slice(0, -1)
}
