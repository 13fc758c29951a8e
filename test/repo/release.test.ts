import { expect, test } from 'vitest'
import { files, filesLike, textOf } from './files.ts'
import { headingsOf } from './markdown.ts'

const { version } = JSON.parse(textOf('package.json')) as { version: string }

test('the version has a section in the changelog, and only the unreleased changes precede it', () => {
  const kinds = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security']
  const headings = headingsOf(textOf('CHANGELOG.md')).filter((heading) => !kinds.includes(heading))
  expect(headings.slice(0, 3)).toEqual(['Changelog', 'Unreleased', version])
})

test('every package has the version of the repository', () => {
  const packages = files.filter((path) => /^(apps|packages)\/[^/]+\/package\.json$/.test(path))
  const versions = packages.map((path) => (JSON.parse(textOf(path)) as { version: string }).version)
  expect(packages.length).toBeGreaterThan(8)
  expect(new Set(versions)).toEqual(new Set([version]))
})

test('images of the manifests have the version of the repository', () => {
  const tags = filesLike(/^infra\/.*(kustomization|compose)\.yaml$|^infra\/docker\/Dockerfile$/).flatMap((path) =>
    [...textOf(path).matchAll(/wns-fanout-(?:api|worker)(?:, newTag: |:)(\d[\w.-]*)/g)].map(([, tag]) => tag),
  )
  expect(tags.length).toBeGreaterThan(5)
  expect(new Set(tags)).toEqual(new Set([version]))
})

test('every benchmark is in the contributor guide', () => {
  const benchmarks = [...textOf('test/bench/main.ts').matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name = '']) => name)
  expect(benchmarks).toContain('durability')
  const guide = textOf('CONTRIBUTING.md')
  expect(benchmarks.filter((name) => !guide.includes(`\`${name}\``))).toEqual([])
})
