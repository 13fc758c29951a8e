import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createScreen } from '../src/terminal/screen.ts'
import { fieldLines, tableLines } from '../src/terminal/table.ts'

const hostile = '\u001B]0;PWNED\u0007\u001B[2J\u001B[31mhello\r\nfake line\u009B1A\u202E'

function screens(json: boolean) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  return { screen: createScreen(json, stdout, stderr), written: () => String(stdout.read() ?? stderr.read()) }
}

test('a name from outside neither controls the terminal nor forges a row', () => {
  const { screen, written } = screens(false)
  screen.writeLines(tableLines(['id', 'name'], [['a', hostile]]))
  screen.writeLines(fieldLines([['name', hostile]]))
  const lines = written().trimEnd().split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[2]).toBe(String.raw`a   \u001b]0;PWNED\u0007\u001b[2J\u001b[31mhello\u000d\u000afake line\u009b1A\u202e`)
})

test('a message keeps its lines, and nothing else that controls the terminal', () => {
  const { screen, written } = screens(false)
  screen.say('first \u001B[2J\nsecond \u009B')
  expect(written()).toBe('first \\u001b[2J\nsecond \\u009b\n')
})

test('JSON on the terminal holds the same value without raw control characters', () => {
  const { screen, written } = screens(true)
  screen.emit({ name: hostile })
  const text = written()
  // oxlint-disable-next-line no-control-regex -- what must not be left
  expect(text.trimEnd()).not.toMatch(/[\0-\u001F\u007F-\u009F\u202E]/)
  expect(JSON.parse(text)).toEqual({ name: hostile })
})
