import { expect, test } from 'vitest'
import { proseFindings } from '../style/prose.ts'

/** The messages of the prose check for a file. */
async function messages(path: string, text: string): Promise<readonly string[]> {
  return (await proseFindings(path, text)).map(({ line, message }) => `${line}: ${message}`)
}

const told = '1: Incorrect term: “told”, use “reported, notified, shown” instead'

test.each([
  ['docs/page.md', 'The owner is told of it.\n'],
  ['src/comment.ts', '// The owner is told of it.\n'],
  ['src/string.ts', "throw new Error('the owner is told of it')\n"],
  ['src/template.ts', 'export const text = `the owner is told of ${count} losses`\n'],
  ['src/help.test.ts', "test('the owner is told of it', () => {})\n"],
  ['lua/script.lua', '-- The owner is told of it.\n'],
  ['rules.yaml', '# The owner is told of it.\n'],
  ['alerts.yaml', '          summary: The owner is told of it\n'],
])('a home-made word in %s is found', async (path, text) => {
  expect(await messages(path, text)).toEqual([told])
})

test('a phrase is found across a line break of a comment', async () => {
  const text = 'const a = 1\n// The key is kept for\n// ever.\n'
  expect(await messages('src/comment.ts', text)).toEqual([
    '2: Incorrect term: “for // ever”, use “forever, permanently, until deleted” instead',
  ])
})

test('British spelling is found and the American one is proposed', async () => {
  expect(await messages('docs/page.md', 'Its behaviour is normalised.\n')).toEqual([
    '1: Incorrect term: “behaviour”, use “behavior” instead',
    '1: Incorrect term: “normalised”, use “normalized” instead',
  ])
})

test('code, identifiers and single words are not prose', async () => {
  expect(await messages('docs/page.md', 'Use `told` here.\n\n```sh\nsays told\n```\n')).toEqual([])
  expect(await messages('src/code.ts', "export const told = 'told'\n")).toEqual([])
})

test('a comment and a string beyond 120 columns are found, code is left to the formatter', async () => {
  const words = 'word '.repeat(25).trim()
  expect(await messages('src/comment.ts', `// ${words}\n`)).toEqual(['1: 127 columns; wrap at 120'])
  expect(await messages('src/string.ts', `const text = '${words}'\n`)).toEqual(['1: 139 columns; wrap at 120'])
  expect(await messages('lua/script.lua', `-- ${words}\n`)).toEqual(['1: 127 columns; wrap at 120'])
  expect(await messages('src/code.ts', `const pattern = /${'x'.repeat(120)}/\n`)).toEqual([])
})
