import { formatCount } from './format.ts'

export type Cell = string | number | null | undefined

/** Lines of a table: numbers to the right with thousands marked, text to the left, an empty cell for what is absent. */
export function tableLines(head: readonly string[], rows: readonly (readonly Cell[])[]): readonly string[] {
  const right = head.map((_, column) => rows.some((row) => typeof row[column] === 'number'))
  const text = [head, ...rows.map((row) => row.map(cellText))]
  const widths = head.map((_, column) => Math.max(...text.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) =>
        right[column] === true ? (row[column] ?? '').padStart(width) : (row[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd()
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...text.slice(1).map(line)]
}

/** Lines `name  value` with the values under one another; entries without a value are left out. */
export function fieldLines(fields: readonly (readonly [name: string, value: Cell])[]): readonly string[] {
  const present = fields.filter(([, value]) => value !== undefined && value !== null)
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present.map(([name, value]) => `${name.padEnd(width)}  ${cellText(value)}`)
}

function cellText(cell: Cell): string {
  return typeof cell === 'number' ? formatCount(cell) : (cell ?? '')
}
