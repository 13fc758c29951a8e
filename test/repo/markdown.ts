/** The text without fenced blocks, whose content is not prose. */
function withoutFences(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```$/gm, '')
}

/** The headings, without `#`. */
export function headingsOf(text: string): readonly string[] {
  return [...withoutFences(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => heading.trim())
}

/** Anchors as code hosts derive them from headings: lower case, hyphens, no punctuation, numbers for repeated ones. */
export function anchorsOf(text: string): readonly string[] {
  const seen = new Map<string, number>()
  return headingsOf(text).map((heading) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

/** Targets of links and images. */
export function linksOf(text: string): readonly string[] {
  return [...withoutFences(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
}

/** The contents of fenced blocks, with their language. */
export function blocksOf(text: string): readonly { readonly language: string; readonly text: string }[] {
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }))
}

/** The cells of every table row, without the marks of code. */
export function rowsOf(text: string): readonly (readonly string[])[] {
  return [...withoutFences(text).matchAll(/^\|(.+)\|$/gm)].map(([, row = '']) =>
    cellsOf(row).map((cell) => cell.replaceAll('`', '')),
  )
}

/** The tables, each as rows of cells as they are written; the first row is the head. */
export function tablesOf(text: string): readonly (readonly (readonly string[])[])[] {
  return [...withoutFences(text).matchAll(/(?:^\|.+\|\n?)+/gm)].map(([table]) =>
    table
      .trim()
      .split('\n')
      .map((line) => cellsOf(line.slice(1, -1)))
      .filter((cells) => !cells.every((cell) => /^:?-+:?$/.test(cell))),
  )
}

function cellsOf(row: string): string[] {
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
}
