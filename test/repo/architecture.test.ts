import { expect, test } from 'vitest'
import { files, filesLike, placesOf, shown, textOf } from './files.ts'

interface Manifest {
  readonly name: string
  readonly exports?: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(textOf(`${folder}/package.json`)) as Manifest
}

// Imports point one way. Packages that are not listed may not be imported.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'packages/domain': [],
  'packages/wns': ['domain'],
  'packages/state': ['domain'],
  'packages/runtime': ['domain'],
  'packages/client': ['domain'],
  'packages/local': [],
  'packages/testing': [],
  'packages/fanout': ['domain', 'wns', 'state'],
  'apps/api': ['domain', 'wns', 'state', 'fanout', 'runtime'],
  'apps/worker': ['domain', 'wns', 'state', 'fanout', 'runtime'],
  'apps/cli': ['client', 'local', 'domain'],
  'apps/wns-simulator': [],
}

// Each library has one owner, which hides it behind its own interface.
const owners: Readonly<Record<string, readonly string[]>> = {
  undici: ['packages/wns', 'packages/client'],
  ioredis: ['packages/state'],
  bullmq: ['packages/fanout'],
  'p-limit': ['packages/fanout'],
  pino: ['packages/runtime'],
  'prom-client': ['packages/runtime'],
  saxes: ['packages/domain'],
  fastify: ['apps/api'],
  'csv-parse': ['packages/domain'],
  'csv-stringify': ['packages/domain'],
  'fastest-levenshtein': ['packages/domain'],
  commander: ['apps/cli'],
  pg: ['apps/cli'],
  'pg-cursor': ['apps/cli'],
  'string-width': ['apps/cli'],
  'eventsource-parser': ['packages/client'],
  selfsigned: ['apps/wns-simulator'],
}

const folders = Object.keys(mayImport)
function sourcesOf(folder: string): readonly string[] {
  return filesLike(new RegExp(`^${folder}/src/.*\\.ts$`))
}

interface Import {
  readonly file: string
  readonly from: string
}

function importsOf(paths: readonly string[]): readonly Import[] {
  return paths.flatMap((file) =>
    [...textOf(file).matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'([^']+)'/g)].map(([, from = '']) => ({ file, from })),
  )
}

/** The package name of `@scope/name/deep` or `name/deep`. */
function packageOf(from: string): string {
  return from
    .split('/')
    .slice(0, from.startsWith('@') ? 2 : 1)
    .join('/')
}

test('every app and package has a layer', () => {
  const found = files.filter((path) => /^(apps|packages)\/[^/]+\/package\.json$/.test(path))
  expect(found.map((path) => path.replace('/package.json', ''))).toEqual(folders.toSorted())
})

test.each(folders)('%s imports and declares only the layers below it', (folder) => {
  const allowed = new Set((mayImport[folder] ?? []).map((name) => `@wns-fanout/${name}`))
  const imported = importsOf(sourcesOf(folder)).filter(({ from }) => from.startsWith('@wns-fanout/'))
  expect(imported.filter(({ from }) => !allowed.has(from))).toEqual([])
  const declared = Object.keys(manifestOf(folder).dependencies ?? {}).filter((name) => name.startsWith('@wns-fanout/'))
  expect(declared.filter((name) => !allowed.has(name))).toEqual([])
})

test.each(folders)('%s has one entry and imports no file of another package', (folder) => {
  expect(Object.keys(manifestOf(folder).exports ?? {})).toEqual(['.'])
  const depth = folder.split('/').length
  const outside = importsOf(sourcesOf(folder)).filter(({ file, from }) => {
    const stepsUp = from.split('/').filter((step) => step === '..').length
    return from.startsWith('.') && stepsUp > file.split('/').length - depth - 2
  })
  expect(outside).toEqual([])
})

test.each(Object.entries(owners))('%s is used only by its owner', (library, folder) => {
  const users = folders.filter((one) => importsOf(sourcesOf(one)).some(({ from }) => packageOf(from) === library))
  expect(users.toSorted()).toEqual(folder.toSorted())
  const declared = folders.filter((one) => library in (manifestOf(one).dependencies ?? {}))
  expect(declared.toSorted()).toEqual(folder.toSorted())
})

test('the simulator shares no code with the sender', () => {
  const imported = importsOf(sourcesOf('apps/wns-simulator'))
  expect(imported.filter(({ from }) => from.includes('wns-fanout'))).toEqual([])
  expect(imported.length).toBeGreaterThan(20)
})

test('no code calls the global fetch, which follows redirects', () => {
  const call = /(?:\bawait|\breturn|=>|[=(,:])\s*fetch\(|\bglobalThis\.fetch\b/
  expect(call.test('const answer = await fetch(url)')).toBe(true)
  expect(shown(placesOf(filesLike(/^(apps|packages|test)\/.*\.ts$/), call).filter(notThisFile))).toEqual([])
})

// Configuration is read once, at the entry. The CLI and code that starts child processes have their own entries.
const entries: readonly RegExp[] = [
  /^apps\/[^/]+\/src\/main\.ts$/,
  /^apps\/cli\/src\/(connection|context)\.ts$/,
  /^apps\/cli\/src\/commands\/up\.ts$/,
  /^apps\/cli\/src\/stack\/start-stack\.ts$/,
  /^apps\/cli\/src\/terminal\/screen\.ts$/,
  /^packages\/local\/src\/(die-with-parent|probe|start-child|start-redis)\.ts$/,
  /^packages\/runtime\/src\/parent\.ts$/,
  /^packages\/testing\/src\/run-script\.ts$/,
]

test('the environment is read only where a process starts', () => {
  const readers = placesOf(filesLike(/^(apps|packages)\/[^/]+\/src\/.*\.ts$/), /(?<![`*/] .*)\bprocess\.env\b/)
    .filter(({ text }) => !text.startsWith('*') && !text.startsWith('//'))
    .map(({ file }) => file)
  expect([...new Set(readers)].filter((file) => !entries.some((entry) => entry.test(file)))).toEqual([])
  expect(readers).toContain('apps/worker/src/main.ts')
})

test('Redis keys are built in one file', () => {
  const sources = filesLike(/^(apps|packages)\/[^/]+\/src\/.*\.ts$/)
  // The default prefix, or a hash tag.
  const made = placesOf(sources, /['`]wf:|\{\$\{\w*[aA]pp/)
  const allowed = new Set(['packages/state/src/keys.ts', 'packages/runtime/src/base-config.ts'])
  expect(shown(made.filter(({ file }) => !allowed.has(file)))).toEqual([])
  expect(made.some(({ file }) => file === 'packages/state/src/keys.ts')).toBe(true)
})

test('a script uses only the keys that it is given', () => {
  const scripts = filesLike(/^packages\/state\/lua\/.*\.lua$/)
  expect(shown(placesOf(scripts, /redis\.call\('\w+',\s*['"]|['"]wf:/))).toEqual([])
  expect(scripts.length).toBeGreaterThan(10)
})

test('every script starts with a comment about its input and output', () => {
  const heads = filesLike(/^packages\/state\/lua\/.*\.lua$/).filter((path) => !textOf(path).startsWith('-- '))
  expect(heads).toEqual([])
})

function notThisFile({ file }: { readonly file: string }): boolean {
  return file !== 'test/repo/architecture.test.ts'
}
