import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { problems, classes, campaignStates } from '@wns-fanout/domain'
import { variables } from '@wns-fanout/runtime'
import { expect, test } from 'vitest'
import { files, filesLike, root, textOf } from './files.ts'
import { anchorsOf, blocksOf, headingsOf, linksOf, rowsOf, tablesOf } from './markdown.ts'
import { ownMetrics } from './metric-names.ts'

const pages = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/bench/'))
const sources = filesLike(/^(apps|packages)\/[^/]+\/src\/.*\.ts$/)
const operations = textOf('docs/operations.md')
const configuration = textOf('docs/configuration.md')

test('the README contains both commands verbatim', () => {
  const commands = blocksOf(textOf('README.md')).map(({ text }) => text.trim())
  expect(commands).toContain('npx --yes pnpm@12.21.0 demo')
  expect(commands).toContain('npx --yes pnpm@12.21.0 test')
  const { packageManager } = JSON.parse(textOf('package.json')) as { packageManager: string }
  expect(packageManager).toBe('pnpm@12.21.0')
})

test.each(pages)('every link of %s has a target', (page) => {
  const broken = linksOf(textOf(page)).filter((target) => {
    if (/^[a-z]+:/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : posix.normalize(posix.join(posix.dirname(page), path))
    if (!existsSync(join(root, file))) return true
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(textOf(file)).includes(anchor)
  })
  expect(broken).toEqual([])
})

test.each(pages)('every row of a table of %s has a name and as many columns as the head', (page) => {
  const broken = tablesOf(textOf(page)).flatMap(([head = [], ...rows]) =>
    rows.filter((row) => row.length !== head.length || row[0] === '').map((row) => row.join(' | ')),
  )
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

test.each(variables)('$name is documented with its default and meaning', (variable) => {
  expect(configurationRows.get(variable.name)).toEqual([
    variable.name,
    variable.default ?? 'none',
    variable.usedBy.join(', '),
    variable.meaning,
  ])
})

// Variables that the code reads: as a key of a configuration, or directly from the environment.
const read = new Set(
  sources.flatMap((file) =>
    [
      ...textOf(file).matchAll(/\b([A-Z][A-Z_]{2,}): (?:variable|portNumber|crashAtVariable)\(/g),
      ...textOf(file).matchAll(/\benv\['([A-Z_]+)'\]/g),
    ].map(([, name = '']) => name),
  ),
)
// Variables of the system.
const system = new Set(['PATH', 'HOME'])

test('every variable that the code reads is documented', () => {
  const missing = [...read].filter((name) => !system.has(name) && !configuration.includes(`\`${name}\``))
  expect(missing).toEqual([])
  expect(read.size).toBeGreaterThan(variables.length)
})

test('every documented variable is read', () => {
  const documented = [...configurationRows.keys()].filter((name) => /^[A-Z][A-Z_]+$/.test(name))
  // Node itself reads these, or the processes refuse them.
  const ofNode = new Set(['NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED'])
  expect(documented.filter((name) => !read.has(name) && !ofNode.has(name))).toEqual([])
})

test('every metric has a row in the runbook, and every row a metric', () => {
  const rows = rowsOf(operations)
    .map(([name = '']) => name)
    .filter((name) => name.startsWith('wns_fanout_'))
  expect(rows.toSorted()).toEqual(ownMetrics.toSorted())
})

test('every event has a heading in the runbook', () => {
  const events = [...textOf('packages/domain/src/events.ts').matchAll(/\btype: '([a-z.]+)'/g)].map(
    ([, type = '']) => type,
  )
  expect(events.length).toBeGreaterThan(10)
  const headings = new Set(headingsOf(operations))
  expect(events.filter((type) => !headings.has(type))).toEqual([])
})

test('the runbook explains every log line from warn upwards', () => {
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

test('runbook headings that the code mentions exist', () => {
  const named = sources.flatMap((file) =>
    [...textOf(file).matchAll(/see "([^"]+)" in docs\/operations\.md/g)].map(([, heading = '']) => heading),
  )
  expect(named.length).toBeGreaterThan(0)
  expect(named.filter((heading) => !headingsOf(operations).includes(heading))).toEqual([])
})

test('pages that the code mentions exist', () => {
  const named = sources.flatMap((file) => [...textOf(file).matchAll(/\bdocs\/[\w/-]+\.md/g)].map(([path]) => path))
  expect([...new Set(named)].filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('files that a page mentions exist', () => {
  const mentioned = pages.flatMap((page) =>
    [...textOf(page).matchAll(/`((?:apps|packages|infra|test|docs)\/[\w./-]+\.(?:ts|lua|ya?ml|json|md|conf))`/g)].map(
      ([, path = '']) => path,
    ),
  )
  expect(mentioned.length).toBeGreaterThan(20)
  expect([...new Set(mentioned)].filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('the API page explains every class, state and problem code', () => {
  const explained = new Set(rowsOf(textOf('docs/api.md')).map(([name = '']) => name))
  expect([...classes, ...campaignStates, ...Object.keys(problems)].filter((word) => !explained.has(word))).toEqual([])
  const rows = rowsOf(textOf('docs/api.md'))
  for (const [code, { status }] of Object.entries(problems))
    expect(rows.find(([name]) => name === code)?.[1]).toBe(String(status))
})

test('the architecture page lists every Redis key', () => {
  const built = [...textOf('packages/state/src/keys.ts').matchAll(/\$\{this\.base\(app\)\}([a-z]+)/g)].map(
    ([, name = '']) => name,
  )
  expect(built.length).toBeGreaterThan(20)
  const page = textOf('docs/architecture.md')
  expect([...new Set(built)].filter((name) => !page.includes(`\`{app}:${name}`))).toEqual([])
})

test('the README and the architecture page list every package', () => {
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

test('every pnpm script that a page mentions exists', () => {
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

/** Scripts that run a command of the CLI, as `pnpm demo` does. */
const commandOfScript = new Map(
  Object.entries((JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }).scripts).flatMap(
    ([name, script]) => {
      const command = /^node bin\/wns-fanout\.mjs (.+)$/.exec(script)?.[1]
      return command === undefined ? [] : [[name, command] as const]
    },
  ),
)

/** `pnpm start --simulate` becomes `wns-fanout up --simulate`. */
function throughScripts(snippet: string): string {
  return snippet.replace(/^\s*(?:npx --yes )?pnpm(?:@12\.21\.0)? (?:run )?([\w:-]+)/, (all, script: string) => {
    const command = commandOfScript.get(script)
    return command === undefined ? all : `wns-fanout ${command}`
  })
}

/** The `wns-fanout` commands on the pages, each once, with all options used with it. */
function commandsShown(): readonly Used[] {
  const shown = new Map<string, Set<string>>()
  for (const page of pages) {
    const text = textOf(page)
    const snippets = [
      ...blocksOf(text).flatMap((block) => block.text.replaceAll('\\\n', ' ').split(/\n|&&|\|/)),
      ...[...text.matchAll(/`((?:wns-fanout|(?:npx --yes )?pnpm) [^`\n]+)`/g)].map(([, code = '']) => code),
    ]
    for (const snippet of snippets) {
      const found = /^\s*(?:pnpm )?wns-fanout ([a-z].*)$/.exec(throughScripts(snippet))?.[1]
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

/** The actual commands of the CLI, printed by the program in a process of its own. */
function commandsThatExist(): Command {
  const program = pathToFileURL(join(root, 'apps/cli/src/program.ts')).href
  const script = `
    import { createProgram } from ${JSON.stringify(program)}
    const describe = (one) => ({
      name: one.name(),
      options: one.options.map(({ long }) => long),
      commands: one.commands.map(describe),
    })
    console.log(JSON.stringify(describe(createProgram())))`
  const args = ['--conditions=@wns-fanout/source', '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (stdout === '') throw new Error(stderr)
  return JSON.parse(stdout) as Command
}

test('every command on a page exists and accepts the options used with it', () => {
  const shown = commandsShown()
  expect(shown.length).toBeGreaterThan(8)
  expect(shown.find(({ words }) => words[0] === 'demo')?.options).toContain('--channels')
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
