import { visibleText } from '@wns-fanout/domain'
import { padEnd, padStart, widest } from './columns.ts'
import { formatCount } from './format.ts'

export type Cell = string | number | null | undefined

/** Lines of a table: numbers right-aligned with thousands separators, text left-aligned, absent cells empty. */
export function tableLines(head: readonly string[], rows: readonly (readonly Cell[])[]): readonly string[] {
  const right = head.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const text = [head, ...rows.map((row) => row.map(cellText))]
  const widths = head.map((_, column) => widest(text.map((row) => row[column] ?? '')))
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => (right[column] === true ? padStart : padEnd)(row[column] ?? '', width))
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...text.slice(1).map(line)]
}

/** Lines `name  value` with aligned values; entries without a value are left out. */
export function fieldLines(fields: readonly (readonly [name: string, value: Cell])[]): readonly string[] {
  const present = fields.filter(([, value]) => value !== undefined && value !== null)
  const width = widest(present.map(([name]) => name))
  return present.map(([name, value]) => `${padEnd(name, width)}  ${cellText(value)}`)
}

function cellText(cell: Cell): string {
  return typeof cell === 'number' ? formatCount(cell) : visibleText(cell ?? '')
}
