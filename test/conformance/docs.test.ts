import { readFile } from 'node:fs/promises'
import { answerTable } from '@wns-fanout/wns'
import { expect, test } from 'vitest'
import { renderDocs } from './docs.ts'
import { sources } from './support/sources.ts'

function written(): Promise<string> {
  return readFile(new URL('../../docs/wns.md', import.meta.url), 'utf8')
}

// To update them: node --conditions=@wns-fanout/source test/conformance/write-docs.ts
test('the tables of docs/wns.md match the code', async () => {
  const text = await written()
  expect(text).toBe(renderDocs(text))
})

test('docs/wns.md contains every answer of the table', async () => {
  const text = await written()
  for (const { status, meaning } of answerTable)
    expect(text).toMatch(new RegExp(`^\\| ${status} \\|.*${meaning.slice(0, 20)}`, 'm'))
})

test('a difference of one word in a table is detected', async () => {
  const text = await written()
  const changed = text.replace('no X-WNS header at all', 'some X-WNS header')
  expect(changed).not.toBe(text)
  expect(renderDocs(changed)).toBe(text)
  expect(() => renderDocs('<!-- nonsense: x -->\n<!-- end -->')).toThrow('unknown table: nonsense')
})

test('docs/wns.md explains every source that it names', async () => {
  const text = await written()
  const named = [...text.matchAll(/\[([A-Z][A-Z0-9]+(?:-[A-Z0-9]+)?)\](?!\()/g)].map(([, key]) => key!)
  expect(named.filter((key) => !Object.hasOwn(sources, key))).toEqual([])
  expect(named.length).toBeGreaterThan(100)
})
