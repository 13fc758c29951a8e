import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { TextlintKernel, type TextlintPluginProcessor } from '@textlint/kernel'
import markdown from '@textlint/textlint-plugin-markdown'
import terminology from 'textlint-rule-terminology'
import { type Passage, passagesOf } from './source.ts'

export interface Finding {
  readonly line: number
  readonly message: string
}

/** The longest line that holds a comment or a string of several words. The formatter wraps code and Markdown. */
const MAX_COLUMNS = 120

// A phrase may continue on the next line, behind a comment mark.
const BLANK = String.raw`(?:\s|//|\*|--|#)+`

const terms = (JSON.parse(readFileSync(new URL('words.json', import.meta.url), 'utf8')) as [string, string][]).map(
  ([pattern, replacement]) => [`(?:${pattern.replaceAll(' ', BLANK)})`, replacement] as const,
)

/** Words of words.json, and lines that are too long, in the prose of a file. */
export async function proseFindings(path: string, text: string): Promise<readonly Finding[]> {
  const findings = [...(await wrongWords(path, text)), ...longLines(path, text)]
  return findings.toSorted((a, b) => a.line - b.line)
}

const kernel = new TextlintKernel()
// Node and Vitest import this CommonJS package differently.
const markdownPlugin = 'default' in markdown ? markdown.default : markdown

async function wrongWords(path: string, text: string): Promise<readonly Finding[]> {
  const { messages } = await kernel.lintText(text, {
    ext: extname(path),
    filePath: path,
    plugins: [
      { pluginId: 'markdown', plugin: markdownPlugin },
      { pluginId: 'source', plugin: { Processor: SourceProcessor } },
    ],
    rules: [{ ruleId: 'terminology', rule: terminology, options: { defaultTerms: false, terms } }],
  })
  return messages.map(({ loc, message }) => ({ line: loc.start.line, message: message.replaceAll(/\s+/g, ' ') }))
}

/** Lets textlint read comments and strings of source files as paragraphs. */
class SourceProcessor implements TextlintPluginProcessor {
  availableExtensions(): string[] {
    return ['.ts', '.lua', '.yaml']
  }

  processor(): ReturnType<TextlintPluginProcessor['processor']> {
    return {
      preProcess: (text, path = '') => documentOf(text, passagesOf(path, text)),
      postProcess: (messages, path = '') => ({ messages, filePath: path }),
    }
  }
}

type TextlintDocument = Extract<
  Awaited<ReturnType<ReturnType<TextlintPluginProcessor['processor']>['preProcess']>>,
  { readonly type: unknown }
>

/** The passages as a document of textlint: each is one paragraph with one string. */
function documentOf(text: string, passages: readonly Passage[]): TextlintDocument {
  const locate = locator(text)
  const node = (type: string, { start, end }: Passage, children?: readonly object[]): object => ({
    type,
    raw: text.slice(start, end),
    range: [start, end],
    loc: { start: locate(start), end: locate(end) },
    ...(children === undefined ? { value: text.slice(start, end) } : { children }),
  })
  const paragraphs = passages.map((passage) => node('Paragraph', passage, [node('Str', passage)]))
  return node('Document', { start: 0, end: text.length }, paragraphs) as TextlintDocument
}

function locator(text: string): (offset: number) => { line: number; column: number } {
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  return (offset) => {
    const line = starts.findLastIndex((start) => start <= offset)
    return { line: line + 1, column: offset - (starts[line] ?? 0) }
  }
}

function longLines(path: string, text: string): readonly Finding[] {
  if (path.endsWith('.md')) return []
  const passages = passagesOf(path, text)
  let start = 0
  return text.split('\n').flatMap((line, index) => {
    const limit = start + MAX_COLUMNS
    start += line.length + 1
    const tooLong = line.length > MAX_COLUMNS && passages.some((one) => one.start < start && one.end > limit)
    return tooLong ? [{ line: index + 1, message: `${line.length} columns; wrap at ${MAX_COLUMNS}` }] : []
  })
}
