import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { problems, classes, campaignStates } from '@wns-fanout/domain'
import { variables } from '@wns-fanout/runtime'
import { expect, test } from 'vitest'
import { files, filesLike, root, textOf } from './files.ts'
import { anchorsOf, blocksOf, headingsOf, linksOf, rowsOf } from './markdown.ts'
import { ownMetrics } from './metric-names.ts'

const pages = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/bench/'))
const sources = filesLike(/^(apps|packages)\/[^/]+\/src\/.*\.ts$/)
const operations = textOf('docs/operations.md')
const configuration = textOf('docs/configuration.md')

test('the README has the two commands, word for word', () => {
  const commands = blocksOf(textOf('README.md')).map(({ text }) => text.trim())
  expect(commands).toContain('npx --yes pnpm@12.21.0 demo')
  expect(commands).toContain('npx --yes pnpm@12.21.0 test')
  const { packageManager } = JSON.parse(textOf('package.json')) as { packageManager: string }
  expect(packageManager).toBe('pnpm@12.21.0')
})

test.each(pages)('every link of %s leads somewhere', (page) => {
  const broken = linksOf(textOf(page)).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), path))
    if (!existsSync(join(root, file))) return true
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(textOf(file)).includes(anchor)
  })
  expect(broken).toEqual([])
})

test('every page of the documentation can be reached from the README', () => {
  const seen = new Set<string>()
  const visit = (page: string): void => {
    if (seen.has(page)) return
    seen.add(page)
    for (const target of linksOf(textOf(page))) {
      const file = posix.normalize(posix.join(posix.dirname(page), target.split('#')[0] ?? ''))
      if (file.endsWith('.md') && files.includes(file)) visit(file)
      // A folder stands for the pages in it.
      for (const inside of file.endsWith('/') ? pages.filter((one) => one.startsWith(file)) : []) visit(inside)
    }
  }
  visit('README.md')
  expect(pages.filter((page) => page.startsWith('docs/') && !seen.has(page))).toEqual([])
})

const configurationRows = new Map(rowsOf(configuration).map((cells) => [cells[0] ?? '', cells] as const))

test.each(variables)('$name is documented with its default and its meaning', (variable) => {
  expect(configurationRows.get(variable.name)).toEqual([
    variable.name,
    variable.default ?? 'none',
    variable.usedBy.join(', '),
    variable.meaning,
  ])
})

// What a process is asked for by name: as a key of a configuration, or directly from the environment.
const asked = new Set(
  sources.flatMap((file) =>
    [
      ...textOf(file).matchAll(/\b([A-Z][A-Z_]{2,}): (?:variable|portNumber|crashAtVariable)\(/g),
      ...textOf(file).matchAll(/\benv\['([A-Z_]+)'\]/g),
    ].map(([, name = '']) => name),
  ),
)
// Of the system, not of ours.
const systems = new Set(['PATH', 'HOME'])

test('every variable that the code asks for is documented', () => {
  const missing = [...asked].filter((name) => !systems.has(name) && !configuration.includes(`\`${name}\``))
  expect(missing).toEqual([])
  expect(asked.size).toBeGreaterThan(variables.length)
})

test('no variable is documented that nobody asks for', () => {
  const documented = [...configurationRows.keys()].filter((name) => /^[A-Z][A-Z_]+$/.test(name))
  // These are read by Node itself, or refused by us.
  const ofNode = new Set(['NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED'])
  expect(documented.filter((name) => !asked.has(name) && !ofNode.has(name))).toEqual([])
})

test('every metric has its row in the runbook, and every row its metric', () => {
  const rows = rowsOf(operations)
    .map(([name = '']) => name)
    .filter((name) => name.startsWith('wns_fanout_'))
  expect(rows.toSorted()).toEqual(ownMetrics.toSorted())
})

test('every event has its heading in the runbook', () => {
  const events = [...textOf('packages/domain/src/events.ts').matchAll(/\btype: '([a-z.]+)'/g)].map(
    ([, type = '']) => type,
  )
  expect(events.length).toBeGreaterThan(10)
  const headings = new Set(headingsOf(operations))
  expect(events.filter((type) => !headings.has(type))).toEqual([])
})

test('every line of the log from warn upwards is explained in the runbook', () => {
  const lines = sources.flatMap((file) =>
    [...textOf(file).matchAll(/\blogger\.(?:warn|error|fatal)\(([^;]{0,300}?)\n?\s*'([^']{4,})',?\s*\)/g)].map(
      ([, , line = '']) => line,
    ),
  )
  expect(lines.length).toBeGreaterThan(10)
  // The formatter may have wrapped a line of the log.
  const unwrapped = operations.replaceAll(/\s+/g, ' ')
  expect(lines.filter((line) => !unwrapped.includes(line))).toEqual([])
})

test('headings that the code sends operators to exist', () => {
  const named = sources.flatMap((file) =>
    [...textOf(file).matchAll(/see "([^"]+)" in docs\/operations\.md/g)].map(([, heading = '']) => heading),
  )
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((heading) => !headingsOf(operations).includes(heading))).toEqual([])
})

test('pages that the code names exist', () => {
  const named = sources.flatMap((file) => [...textOf(file).matchAll(/\bdocs\/[\w/-]+\.md/g)].map(([path]) => path))
  expect([...new Set(named)].filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('every class, state and problem code is explained in the tour of the API', () => {
  const explained = new Set(rowsOf(textOf('docs/api.md')).map(([name = '']) => name))
  expect([...classes, ...campaignStates, ...Object.keys(problems)].filter((word) => !explained.has(word))).toEqual([])
  const rows = rowsOf(textOf('docs/api.md'))
  for (const [code, { status }] of Object.entries(problems))
    expect(rows.find(([name]) => name === code)?.[1]).toBe(String(status))
})

test('every key of Redis is in the architecture', () => {
  const made = [...textOf('packages/state/src/keys.ts').matchAll(/\$\{this\.base\(app\)\}([a-z]+)/g)].map(
    ([, name = '']) => name,
  )
  expect(made.length).toBeGreaterThan(20)
  const told = textOf('docs/architecture.md')
  expect([...new Set(made)].filter((name) => !told.includes(`\`{app}:${name}`))).toEqual([])
})

test('every app and package is in the README and the architecture', () => {
  const folders = files.filter((path) => /^packages\/[^/]+\/package\.json$/.test(path)).map((path) => dirname(path))
  for (const page of ['README.md', 'docs/architecture.md'])
    expect(folders.filter((folder) => !textOf(page).includes(folder))).toEqual([])
})

test('decisions are numbered without gaps and have a decision and the alternatives considered', () => {
  const decisions = filesLike(/^docs\/decisions\/.*\.md$/)
  expect(decisions.map((path) => Number(path.slice('docs/decisions/'.length).slice(0, 4)))).toEqual(
    decisions.map((_, index) => index + 1),
  )
  for (const path of decisions) {
    expect(textOf(path)).toMatch(/^\*\*Decision\*\*: /m)
    expect(textOf(path)).toMatch(/^\*\*Alternatives considered\*\*/m)
  }
})

const pnpmItself = new Set(['install', 'exec', 'add', 'fetch', 'deploy'])

test('every script of pnpm that a page names exists', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
  const named = pages.flatMap((page) =>
    [...textOf(page).matchAll(/(?:`|^|npx --yes )pnpm(?:@12\.21\.0)? (?:run )?([a-z][\w:-]*)/gm)].map(
      ([, script = '']) => script,
    ),
  )
  expect(named.length).toBeGreaterThan(10)
  expect([...new Set(named)].filter((name) => !(name in scripts) && !pnpmItself.has(name))).toEqual([])
})

interface Used {
  readonly words: readonly string[]
  readonly options: readonly string[]
}

/** The commands of `wns-fanout` that pages show, each once, with the options that are given to it anywhere. */
function commandsShown(): readonly Used[] {
  const shown = new Map<string, Set<string>>()
  for (const page of pages) {
    const text = textOf(page)
    const snippets = [
      ...blocksOf(text).flatMap((block) => block.text.replaceAll('\\\n', ' ').split(/\n|&&|\|/)),
      ...[...text.matchAll(/`(wns-fanout [^`\n]+)`/g)].map(([, code = '']) => code),
    ]
    for (const snippet of snippets) {
      const found = /^\s*(?:pnpm )?wns-fanout ([a-z].*)$/.exec(snippet)?.[1]
      if (found === undefined) continue
      const plain = found.replaceAll(/"[^"]*"|'[^']*'/g, 'x')
      const words = /^((?:[a-z][a-z-]* ?){1,2})/.exec(plain)?.[1]?.trim().split(' ') ?? []
      const options = plain.match(/(?<= )--[a-z-]+/g) ?? []
      const key = words.join(' ')
      shown.set(key, new Set([...(shown.get(key) ?? []), ...options]))
    }
  }
  return [...shown].map(([key, options]) => ({ words: key.split(' '), options: [...options] }))
}

interface Command {
  readonly name: string
  readonly options: readonly string[]
  readonly commands: readonly Command[]
}

/** Every command of the CLI as it is, told by the program itself in one process of its own. */
function commandsThatExist(): Command {
  const program = pathToFileURL(join(root, 'apps/cli/src/program.ts')).href
  const script = `
    import { createProgram } from ${JSON.stringify(program)}
    const tell = (one) => ({ name: one.name(), options: one.options.map(({ long }) => long), commands: one.commands.map(tell) })
    console.log(JSON.stringify(tell(createProgram())))`
  const args = ['--conditions=@wns-fanout/source', '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Command
}

test('every command that a page shows exists and takes the options that are given to it', () => {
  const shown = commandsShown()
  expect(shown.length).toBeGreaterThan(8)
  const program = commandsThatExist()
  const wrong = shown.flatMap(({ words, options }) => {
    const [name = '', action] = words
    const group = program.commands.find((one) => one.name === name)
    // The second word of a command without commands of its own is its argument.
    const command = group?.commands.length === 0 ? group : group?.commands.find((one) => one.name === action)
    if (command === undefined) return [`there is no command ${words.join(' ')}`]
    const known = new Set([...command.options, ...program.options])
    return options.filter((option) => !known.has(option)).map((option) => `${words.join(' ')} has no option ${option}`)
  })
  expect(wrong).toEqual([])
})
