import { readFile } from 'node:fs/promises'
import { answerTable } from '@wns-fanout/wns'
import { expect, test } from 'vitest'
import { renderDocs } from './docs.ts'
import { sources } from './support/sources.ts'

function written(): Promise<string> {
  return readFile(new URL('../../docs/wns.md', import.meta.url), 'utf8')
}

test('the tables of docs/wns.md are those of the code (node --conditions=@wns-fanout/source test/conformance/write-docs.ts)', async () => {
  const text = await written()
  expect(text).toBe(renderDocs(text))
})

test('every answer of the table stands in docs/wns.md', async () => {
  const text = await written()
  for (const { status, meaning } of answerTable)
    expect(text).toMatch(new RegExp(`^\\| ${status} \\|.*${meaning.slice(0, 20)}`, 'm'))
})

test('a table that differs by one word is noticed', async () => {
  const text = await written()
  const changed = text.replace('no X-WNS header at all', 'some X-WNS header')
  expect(changed).not.toBe(text)
  expect(renderDocs(changed)).toBe(text)
  expect(() => renderDocs('<!-- nonsense: x -->\n<!-- end -->')).toThrow('nobody makes')
})

test('every source that docs/wns.md names is explained there', async () => {
  const text = await written()
  const named = [...text.matchAll(/\[([A-Z][A-Z0-9]+(?:-[A-Z0-9]+)?)\](?!\()/g)].map(([, key]) => key!)
  expect(named.filter((key) => !Object.hasOwn(sources, key))).toEqual([])
  expect(named.length).toBeGreaterThan(100)
})
