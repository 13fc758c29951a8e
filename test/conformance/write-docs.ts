import { readFile, writeFile } from 'node:fs/promises'
import { renderDocs } from './docs.ts'

// node --conditions=@wns-fanout/source test/conformance/write-docs.ts
const path = new URL('../../docs/wns.md', import.meta.url)
await writeFile(path, renderDocs(await readFile(path, 'utf8')))
