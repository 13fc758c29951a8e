import { expect, test } from 'vitest'
import { files, textOf } from './files.ts'
import { headingsOf, tablesOf } from './markdown.ts'

// docs/architecture.md leads a reader through the files, so what it names must be there.
const page = textOf('docs/architecture.md')
const sources = files.filter((path) => /^(apps|packages)\/[^/]+\/(src|lua)\//.test(path))

/** The words in code marks, without fenced blocks. */
function codeIn(text: string): readonly string[] {
  return [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
}

/** The files that a name with or without folders can mean. */
function filesNamed(name: string): readonly string[] {
  return files.filter((path) => path === name || path.endsWith(`/${name}`))
}

/** Whether one of the files declares or calls this name, which may be private or a member of a class. */
function hasName(paths: readonly string[], name: string): boolean {
  const words = name.split('.').map((part) => new RegExp(`(?<![\\w-])${part.replace('#', '#?')}(?![\\w-])`))
  return paths.some((path) => words.every((word) => word.test(textOf(path))))
}

test('every file that the architecture page names exists', () => {
  const named = codeIn(page).filter((code) => /^[\w./-]+\.(?:ts|lua|md)$/.test(code))
  expect(named.length).toBeGreaterThan(60)
  expect([...new Set(named)].filter((name) => filesNamed(name).length === 0)).toEqual([])
})

test('every member of a class that the architecture page names exists', () => {
  const members = codeIn(page).filter((code) => /^[A-Z]\w*\.#?[a-z]\w*$/.test(code))
  expect(members.length).toBeGreaterThan(3)
  expect([...new Set(members)].filter((member) => !hasName(sources, member))).toEqual([])
})

test('each step of the path of one recipient is in the files of its row', () => {
  const [head, ...rows] = tablesOf(page).find(([cells]) => cells?.[1] === 'calls') ?? []
  expect(head).toEqual(['file', 'calls', 'what happens'])
  expect(rows.length).toBeGreaterThan(10)
  for (const [named = '', calls = ''] of rows) {
    const paths = codeIn(named).flatMap(filesNamed)
    expect([named, paths.length]).not.toEqual([named, 0])
    // What a step is reached by is in another file.
    const names = codeIn(calls.replaceAll(/, by `[^`]+`/g, '')).filter((code) => !code.endsWith('.ts'))
    expect([named, names.filter((name) => !hasName(paths, name))]).toEqual([named, []])
  }
})

test('the page follows one broadcast, one takeover and one throttle', () => {
  expect(headingsOf(page)).toEqual(
    expect.arrayContaining([
      'One broadcast, in order',
      'When a worker dies',
      'When WNS throttles an app',
      'One recipient, from open to settle',
    ]),
  )
})
