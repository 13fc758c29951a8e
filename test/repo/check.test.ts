import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { temporaryFolder } from '@wns-fanout/local'
import { expect, onTestFinished, test } from 'vitest'
import { root, textOf } from './files.ts'

interface Outcome {
  readonly status: number | null
  readonly output: string
}

/** Runs a part of `pnpm check` on a file outside the repository. */
async function check(command: readonly string[], path: string, text: string): Promise<Outcome> {
  const folder = await temporaryFolder('wns-fanout-check-')
  onTestFinished(() => folder.remove())
  const file = join(folder.path, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
  const [program = '', ...args] = command
  const { status, stdout, stderr, error } = spawnSync(program, [...args, file], { cwd: root, encoding: 'utf8' })
  if (error !== undefined) throw error
  return { status, output: stdout + stderr }
}

const prose = [process.execPath, '--conditions=@wns-fanout/source', 'test/style/main.ts']
const oxlint = ['node_modules/.bin/oxlint', '-c', '.oxlintrc.json', '--deny-warnings']
const formatter = ['node_modules/.bin/oxfmt', '-c', '.oxfmtrc.json', '--check']

test('`pnpm check` runs the formatter, the linter and the prose check', () => {
  const { check: all, lint } = (JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }).scripts
  expect(all).toMatch(/^turbo run .*\blint\b/)
  expect(lint?.split(' && ').map((part) => part.trim())).toEqual(
    expect.arrayContaining([
      'oxfmt --check .',
      'oxlint --type-aware --deny-warnings',
      'node --conditions=@wns-fanout/source test/style/main.ts',
    ]),
  )
})

test.each([
  ['a home-made word in Markdown', 'docs/page.md', 'The owner is told of it.\n', 'Incorrect term: “told”'],
  ['a home-made word in a comment', 'src/code.ts', '// The mender runs.\n', 'Incorrect term: “mender”'],
  ['British spelling', 'src/code.lua', '-- Its behaviour.\n', 'Incorrect term: “behaviour”'],
  ['a comment that is too long', 'src/code.ts', `// ${'word '.repeat(24)}end\n`, '126 columns; wrap at 120'],
])('the prose check fails on %s', async (_name, path, text, message) => {
  const { status, output } = await check(prose, path, text)
  expect(output).toContain(message)
  expect(status).toBe(1)
})

test('the prose check passes plain English', async () => {
  expect(await check(prose, 'docs/page.md', 'The worker reports the loss.\n')).toEqual({ status: 0, output: '' })
})

const source = "import * as z from 'zod'\nexport const LIMIT_MS = 5\nexport const schema = z.string()\n"

test.each([
  ['an arrow as a top-level function', 'export const twice = (n: number) => n * 2\n', 'dialect(top-level-function)'],
  ['a number in camelCase', 'export const limitMs = 5\n', 'dialect(constant-name)'],
  ['an object in capitals', 'export const LIMITS = { ms: 5 }\n', 'dialect(constant-name)'],
  ['zod by name', "import { z } from 'zod'\nexport const schema = z.string()\n", 'dialect(zod-import)'],
  ['an object type as an alias', 'export type Limit = { readonly ms: number }\n', 'consistent-type-definitions'],
])('the linter fails on a second dialect: %s', async (_name, text, rule) => {
  const { status, output } = await check(oxlint, 'src/code.ts', text)
  expect(output).toContain(rule)
  expect(status).toBe(1)
})

test('the linter passes the dialect of the project', async () => {
  const { status, output } = await check(oxlint, 'src/code.ts', source)
  expect(output).not.toContain('dialect')
  expect(status).toBe(0)
})

test('the formatter fails on a line that it would wrap', async () => {
  const long = `export const sum = [${Array.from({ length: 60 }, (_, n) => n).join(', ')}]\n`
  expect((await check(formatter, 'src/code.ts', long)).status).toBe(1)
  expect((await check(formatter, 'src/code.ts', source)).status).toBe(0)
})
