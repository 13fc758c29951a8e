/** Where a character of a text is, for people: `line 2, column 7`, counted from 1. */
export function placeIn(text: string, at: number): string {
  const before = text.slice(0, at)
  const line = before.split('\n').length
  return `line ${line}, column ${at - (before.lastIndexOf('\n') + 1) + 1}`
}
