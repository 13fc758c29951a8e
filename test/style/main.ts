import { readFileSync } from 'node:fs'
import { files, textOf } from '../repo/files.ts'
import { proseFindings } from './prose.ts'

// `pnpm check` runs this over the prose of every file: Markdown, comments and strings. Arguments name other files.

// Their examples are findings.
const exampleFiles: ReadonlySet<string> = new Set(['test/repo/style.test.ts', 'test/repo/check.test.ts'])

const named = process.argv.slice(2)
const repository = files.filter((path) => /\.(md|ts|lua|yaml)$/.test(path) && !exampleFiles.has(path))
const checked = named.length > 0 ? named : repository
const read = named.length > 0 ? (path: string) => readFileSync(path, 'utf8') : textOf
let count = 0
for (const path of checked) {
  for (const { line, message } of await proseFindings(path, read(path))) {
    console.error(`${path}:${line}: ${message}`)
    count += 1
  }
}
if (count > 0) {
  console.error(`${count} findings in ${checked.length} files`)
  process.exitCode = 1
}
