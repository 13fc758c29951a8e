import stringWidth from 'string-width'

// A terminal shows a letter of Chinese or an emoji in two columns, and a combining accent in none.

/** `text` with blanks behind it, up to `columns`. */
export function padEnd(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)))
}

/** `text` with blanks before it, up to `columns`. */
export function padStart(text: string, columns: number): string {
  return ' '.repeat(Math.max(0, columns - stringWidth(text))) + text
}

/** The longest beginning of `text` that fits into `columns`. */
export function cut(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text
  let fitting = ''
  let width = 0
  for (const { segment } of new Intl.Segmenter('en').segment(text)) {
    width += stringWidth(segment)
    if (width > columns) break
    fitting += segment
  }
  return fitting
}

/** The columns of the widest text; 0 when there is none. */
export function widest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => stringWidth(text)))
}
