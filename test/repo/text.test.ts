import { expect, test } from 'vitest'
import { files, filesLike, placesOf, shown, textOf } from './files.ts'

function isText(path: string): boolean {
  return !/\.(png|ico|woff2?)$/.test(path) && path !== 'pnpm-lock.yaml'
}
// The patterns of this file would find themselves.
const texts = files.filter((path) => isText(path) && path !== 'test/repo/text.test.ts')
const code = filesLike(/^(apps|packages|test)\/.*\.(ts|lua)$/).filter((path) => path !== 'test/repo/text.test.ts')

test('no work is left for later', () => {
  expect(shown(placesOf(texts, /\b(TODO|FIXME|XXX|HACK)\b/))).toEqual([])
})

test('no test is skipped, alone or only named', () => {
  const tests = code.filter((path) => path.endsWith('.test.ts'))
  expect(shown(placesOf(tests, /\b(test|it|describe|suite)\.(only|skip|todo|skipIf|runIf|fails)\b/))).toEqual([])
  expect(shown(placesOf(tests, /(?<![.\w])x?(it|test)\(\s*['"`][^'"`]*['"`]\s*\)/))).toEqual([])
  expect(tests.length).toBeGreaterThan(10)
})

test('the compiler is never told to look away, and no breakpoint stays', () => {
  expect(shown(placesOf(code, /@ts-(ignore|nocheck)|^\s*debugger\b/))).toEqual([])
})

test('no path of a machine and no registry of packages is named', () => {
  expect(shown(placesOf(texts, /(?<![\w.])\/(work|root|home|Users)\/[\w.-]+/))).toEqual([])
  expect(shown(placesOf(texts, /\b(artifactory|verdaccio|nexus)\b|\bregistry\.(npmjs|yarnpkg)\b/i))).toEqual([])
})

test('the lockfile names no address, so every registry serves it', () => {
  expect(shown(placesOf(['pnpm-lock.yaml'], /https?:\/\/|\btarball:/))).toEqual([])
})

test('no private key and no API key was committed', () => {
  expect(shown(placesOf(texts, /-----BEGIN [A-Z ]*PRIVATE KEY-----/))).toEqual([])
  expect(shown(placesOf(texts, /\bwnsf_[0-9a-f]{12}_[\w-]{43}\b/))).toEqual([])
})

test('every file ends with one line end and none has blanks at the end of a line', () => {
  const open = texts.filter((path) => {
    const text = textOf(path)
    return text !== '' && (!text.endsWith('\n') || text.endsWith('\n\n'))
  })
  expect(open).toEqual([])
  const written = texts.filter((path) => /\.(ts|lua|json|ya?ml|md)$/.test(path))
  expect(shown(placesOf(written, /[ \t]+$/))).toEqual([])
})
