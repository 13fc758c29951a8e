import { stringify } from 'csv-stringify/sync'

/**
 * Rows of a CSV, each with CRLF at its end. Spreadsheets take a cell that begins like a formula for one, and others
 * choose the channel ids: such a cell gets an apostrophe in front, which {@link cellWithoutGuard} removes again.
 */
export function csvLines(rows: readonly (readonly string[])[]): string {
  return stringify(
    rows.map((cells) => cells.map(guarded)),
    { record_delimiter: 'windows', quoted_match: /[\r\n]/ },
  )
}

/** The text of a cell that {@link csvLines} wrote. */
export function cellWithoutGuard(cell: string): string {
  return /^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell
}

// A cell that begins with apostrophes and a sign gets one more, so that reading it gives back the same text.
function guarded(cell: string): string {
  return /^'*[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell
}
