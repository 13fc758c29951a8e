import { expect, test } from 'vitest'
import { files, filesLike, placesOf, shown, textOf } from './files.ts'

function isText(path: string): boolean {
  return !/\.(png|ico|woff2?)$/.test(path) && path !== 'pnpm-lock.yaml'
}
// Without this file, because its patterns match themselves.
const texts = files.filter((path) => isText(path) && path !== 'test/repo/text.test.ts')
const code = filesLike(/^(apps|packages|test)\/.*\.(ts|lua)$/).filter((path) => path !== 'test/repo/text.test.ts')

test('no file contains a TODO', () => {
  expect(shown(placesOf(texts, /\b(TODO|FIXME|XXX|HACK)\b/))).toEqual([])
})

test('no test is skipped, focused or without a body', () => {
  const tests = code.filter((path) => path.endsWith('.test.ts'))
  expect(shown(placesOf(tests, /\b(test|it|describe|suite)\.(only|skip|todo|skipIf|runIf|fails)\b/))).toEqual([])
  expect(shown(placesOf(tests, /(?<![.\w])x?(it|test)\(\s*['"`][^'"`]*['"`]\s*\)/))).toEqual([])
  expect(tests.length).toBeGreaterThan(10)
})

test('no unit test starts a process', () => {
  const unitTests = filesLike(/^(apps|packages)\/[^/]+\/test\/.*(?<!\.system)\.test\.ts$/)
  const starts = /'node:child_process'|\b(runScript|startFixture|startRedis|startChild)\(/
  expect(shown(placesOf(unitTests, starts))).toEqual([])
})

test('no compiler error is suppressed, and there is no breakpoint', () => {
  expect(shown(placesOf(code, /@ts-(ignore|nocheck)|^\s*debugger\b/))).toEqual([])
})

test('no file names a path of a machine or a package registry', () => {
  expect(shown(placesOf(texts, /(?<![\w.])\/(work|root|home|Users)\/[\w.-]+/))).toEqual([])
  expect(shown(placesOf(texts, /\b(artifactory|verdaccio|nexus)\b|\bregistry\.(npmjs|yarnpkg)\b/i))).toEqual([])
})

test('the lockfile contains no URL, so every registry can serve it', () => {
  expect(shown(placesOf(['pnpm-lock.yaml'], /https?:\/\/|\btarball:/))).toEqual([])
})

test('no file contains a private key or an API key', () => {
  expect(shown(placesOf(texts, /-----BEGIN [A-Z ]*PRIVATE KEY-----/))).toEqual([])
  expect(shown(placesOf(texts, /\bwnsf_[0-9a-f]{12}_[\w-]{43}\b/))).toEqual([])
})

test('every file ends with one newline, and no line ends with a space', () => {
  const open = texts.filter((path) => {
    const text = textOf(path)
    return text !== '' && (!text.endsWith('\n') || text.endsWith('\n\n'))
  })
  expect(open).toEqual([])
  const written = texts.filter((path) => /\.(ts|lua|json|ya?ml|md)$/.test(path))
  expect(shown(placesOf(written, /[ \t]+$/))).toEqual([])
})
