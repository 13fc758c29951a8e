import { files, textOf } from '../repo/files.ts'
import { proseFindings } from './prose.ts'

// `pnpm check` runs this over the prose of every file: Markdown, comments and strings.

// Its examples are findings.
const exampleFile = 'test/repo/style.test.ts'

const checked = files.filter((path) => /\.(md|ts|lua|yaml)$/.test(path) && path !== exampleFile)
let count = 0
for (const path of checked) {
  for (const { line, message } of await proseFindings(path, textOf(path))) {
    console.error(`${path}:${line}: ${message}`)
    count += 1
  }
}
if (count > 0) {
  console.error(`${count} findings in ${checked.length} files`)
  process.exitCode = 1
}
