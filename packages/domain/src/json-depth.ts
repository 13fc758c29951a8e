/** Deeper than anything that is asked for; the deepest, an adaptive notification, has about twenty levels. */
export const MAX_JSON_DEPTH = 64

const QUOTE = 34
const BACKSLASH = 92

/**
 * Does the text open more than `MAX_JSON_DEPTH` objects and arrays within each other? Stops at the first one too many:
 * a parser, and everything after it, takes far longer for a megabyte of brackets.
 */
export function isTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at += 1)
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at)
        break
      case 91:
      case 123:
        depth += 1
        if (depth > MAX_JSON_DEPTH) return true
        break
      case 93:
      case 125:
        depth -= 1
        break
      default:
    }
  return false
}

/** Where the string that opens at `start` closes; the end of the text if it does not. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1)
  while (at !== -1 && isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at === -1 ? text.length : at
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1
  return backslashes % 2 === 1
}
