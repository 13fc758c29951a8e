// A template of XML is checked as a document in which marks stand for the placeholders. The marks are Unicode
// noncharacters: text may hold them, names may not, so a placeholder in a name is an error by itself.

/** The first character of a placeholder. */
export const PLACEHOLDER_MARK = '\uFDD0'
/** Every further character of it, line breaks excepted. */
export const PLACEHOLDER_CONTINUED = '\uFDD1'

const markedPlaceholder = /\uFDD0(?:\s*\uFDD1)*/g

/** How many placeholders a marked text has. */
export function countPlaceholders(marked: string): number {
  let count = 0
  for (let at = marked.indexOf(PLACEHOLDER_MARK); at >= 0; at = marked.indexOf(PLACEHOLDER_MARK, at + 1)) count += 1
  return count
}

/** The texts around the placeholders of a marked text: one more than there are placeholders. */
export function textsAroundPlaceholders(marked: string): string[] {
  return marked.split(markedPlaceholder)
}
