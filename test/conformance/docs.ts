import type { Delivery, Disposition, Outcome } from '@wns-fanout/domain'
import { codeTable } from '@wns-fanout/domain'
import { decide } from '@wns-fanout/fanout'
import type { AnswerRow as TableRow } from '@wns-fanout/wns'
import { answerSources, answerTable, conditions } from '@wns-fanout/wns'
import { answerRows } from './answers.ts'
import { requestRows } from './requests.ts'
import { sources } from './support/sources.ts'
import { tokenRows } from './tokens.ts'

// The tables of docs/wns.md are generated from the tables that the sender and the suite use, so they stay up to date.

/** Replaces everything between the `<!-- name -->` and `<!-- end -->` lines. Throws for an unknown name. */
export function renderDocs(text: string): string {
  return text.replaceAll(/^<!-- (\w+): .*-->\n[^]*?^<!-- end -->$/gm, (block, name: string) => {
    const make = tables[name]
    if (make === undefined) throw new Error(`docs/wns.md has an unknown table: ${name}`)
    const [opening = ''] = block.split('\n', 1)
    return `${opening}\n${make()}<!-- end -->`
  })
}

const tables: Readonly<Record<string, () => string>> = {
  headers: () => table(['header', 'values in the suite', 'evidence'], headerLines()),
  answers: () =>
    table(
      ['status', 'if', 'means', 'outcome', 'at-least-once', 'at-most-once', 'evidence'],
      answerTable.map((row) => answerLine(row)),
    ),
  exchanges: () =>
    table(
      ['answer', 'status', 'outcome', 'class of the recipient after the first post', 'evidence'],
      answerRows.map(({ name, status, outcome, disposition, atMostOnce, source }) => {
        const first = classText(disposition)
        const once = atMostOnce === undefined ? first : `${first}; at-most-once ${classText(atMostOnce)}`
        return [name, String(status), `\`${outcome.kind}\``, once, `[${source}]`]
      }),
    ),
  tokens: () =>
    table(
      ['exchange', 'status', 'result', 'evidence'],
      tokenRows.map(({ name, status, known, source }) => {
        const result = known.ok
          ? `token for ${known.expiresInSeconds} s`
          : `\`${known.code}\`, ${known.permanent ? 'permanent' : 'requested again later'}`
        return [name, String(status), result, `[${source}]`]
      }),
    ),
  sources: () =>
    Object.entries(sources)
      .map(([key, text]) => `- [${key}] ${text}\n`)
      .join(''),
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.map(escaped).join(' | ')} |\n`).join('')
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|')
}

/** Each header once, with the first row that shows it. */
function headerLines(): string[][] {
  const lines = new Map<string, string[]>([
    ['Host', ['`Host`', 'the host of the channel URI', '[RFC9112]']],
    ['Authorization', ['`Authorization`', '`Bearer` and the app token', '[HDR]']],
    ['Content-Length', ['`Content-Length`', 'length of the body; never chunked', '[HDR]']],
  ])
  const values = new Map<string, Set<string>>()
  for (const { headers, source } of requestRows) {
    for (const [name, value] of Object.entries(headers)) {
      const known = values.get(name) ?? new Set()
      values.set(name, known.add(value))
      if (!lines.has(name)) lines.set(name, [`\`${name}\``, '', `[${source}]`])
    }
  }
  for (const [name, found] of values) {
    const shown = [...found].filter((value) => value.length <= 30).slice(0, 4)
    lines.get(name)![1] = shown.map((value) => `\`${value}\``).join(', ')
  }
  return [...lines.values()]
}

function answerLine(row: TableRow): string[] {
  const outcome = sampleOf(row)
  return [
    String(row.status),
    conditions[row.condition],
    row.meaning,
    `\`${row.kind}\``,
    fate(outcome, 'at-least-once'),
    fate(outcome, 'at-most-once'),
    answerSources[row.source],
  ]
}

/** An outcome of this kind, with the fields that `decide` reads. */
function sampleOf({ kind, status: wanted }: TableRow): Outcome {
  const status = typeof wanted === 'number' ? wanted : 500
  return { kind, status, code: 'not-from-wns', trace: {} } as unknown as Outcome
}

/** The state of a recipient after the first answer, and its class if every answer is the same. */
function fate(outcome: Outcome, delivery: Delivery): string {
  const attempt = { posts: 1, spent: 0, reauthorized: false, delivery, maxAttempts: 5, random: 0.5 } as const
  const first = decide(outcome, attempt)
  if (first.kind !== 'retry') return classText(first)
  const last = decide(outcome, { ...attempt, posts: 8, spent: 4 })
  return last.kind === 'retry'
    ? `${classText(first)}, without limit`
    : `${classText(first)}; finally ${classText(last)}`
}

function classText(disposition: Disposition): string {
  switch (disposition.kind) {
    case 'settle':
      return `\`${codeTable[disposition.code]?.class}\``
    case 'bury':
      return `\`${codeTable[disposition.code]?.class}\`, the URI is removed`
    case 'retry':
      return `again after ${seconds(disposition.delayMs)}${disposition.spent === 0 ? ', no attempt spent' : ''}`
    case 'reauthorize':
      return 'again with a valid token; after a second 401 `rejected`'
    default:
      return disposition satisfies never
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? 'a backoff' : `${ms / 1000} s`
}
