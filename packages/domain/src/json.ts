import { parse } from 'secure-json-parse'
import { isTooDeep, MAX_JSON_DEPTH } from './json-depth.ts'

// The one reader of JSON that people write: bodies of requests, lines of NDJSON, files of the command line. It accepts
// a byte order mark, which editors on Windows write and which `cat` leaves in the middle of concatenated files.

export type ReadJson = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly detail: string }

/**
 * The value of a JSON text, or where it is wrong. Rejects keys that could reach a prototype and deep nesting.
 * Never repeats the text.
 */
export function readJson(text: string): ReadJson {
  if (isTooDeep(text)) return { ok: false, detail: TOO_DEEP }
  try {
    // The library skips one byte order mark.
    return { ok: true, value: parse(text, null, { protoAction: 'error', constructorAction: 'error' }) }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return { ok: false, detail: whyNotJson(text.startsWith('\uFEFF') ? text.slice(1) : text) ?? POISONED }
  }
}

const TOO_DEEP = `objects and arrays may be nested at most ${MAX_JSON_DEPTH} deep; found more`
const POISONED = 'the keys "__proto__" and "constructor" with "prototype" are not allowed anywhere; remove them'

// V8 reports no position for short texts and repeats the text, so the place is looked for here. Only failures come
// here.

const blanks = /[ \t\n\r]*/y
// oxlint-disable-next-line no-control-regex -- control characters are what a string cannot hold
const stringForm = /"(?:[^"\\\u0000-\u001F]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"/y
const numberForm = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const wordForm = /true|false|null/y

/** Where a text stops to be JSON and what is there; undefined when it is JSON. */
function whyNotJson(text: string): string | undefined {
  const open: ('{' | '[')[] = []
  let at = 0
  let wanted: 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'comma-or-end' = 'value'
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at
    if (!pattern.test(text)) return false
    at = pattern.lastIndex
    return true
  }
  for (;;) {
    skip(blanks)
    const found = text[at]
    const innermost = open.at(-1)
    if (wanted === 'comma-or-end') {
      if (innermost === undefined) return found === undefined ? undefined : explain(text, at, 'the end of the text')
      if (found === (innermost === '{' ? '}' : ']')) open.pop()
      else if (found === ',') wanted = innermost === '{' ? 'key' : 'value'
      else return explain(text, at, innermost === '{' ? '"," or "}"' : '"," or "]"')
      at += 1
    } else if (wanted === 'key' || wanted === 'key-or-end') {
      if (wanted === 'key-or-end' && found === '}') {
        at += 1
        open.pop()
        wanted = 'comma-or-end'
      } else {
        if (!skip(stringForm)) return explain(text, at, 'a name in double quotes')
        skip(blanks)
        if (text[at] !== ':') return explain(text, at, '":"')
        at += 1
        wanted = 'value'
      }
    } else if (wanted === 'value-or-end' && found === ']') {
      at += 1
      open.pop()
      wanted = 'comma-or-end'
    } else if (found === '{' || found === '[') {
      at += 1
      open.push(found)
      wanted = found === '{' ? 'key-or-end' : 'value-or-end'
    } else {
      if (!skip(stringForm) && !skip(numberForm) && !skip(wordForm)) return explain(text, at, 'a value')
      wanted = 'comma-or-end'
    }
  }
}

function explain(text: string, at: number, wanted: string): string {
  const before = text.slice(0, at)
  const line = before.split('\n').length
  const column = at - before.lastIndexOf('\n')
  return `line ${line}, column ${column}: wanted ${wanted}, found ${whatIsAt(text, at)}`
}

function whatIsAt(text: string, at: number): string {
  const [character = ''] = text.slice(at, at + 2)
  switch (character) {
    case '':
      return 'the end of the text'
    case "'":
      return 'a single quote; JSON has double quotes'
    case '"':
      return 'a string that does not end, or that holds a line break, a control character or an unknown escape'
    case '/':
      return '"/"; JSON has no comments'
    case '\uFEFF':
      return 'a byte order mark; remove it'
    case '}':
    case ']':
      return /,[ \t\n\r]*$/.test(text.slice(Math.max(0, at - 100), at))
        ? `"${character}" behind a comma; remove the comma`
        : `"${character}"`
    default:
      if (/[\u201C\u201D\u201E\u2018\u2019]/.test(character))
        return 'a typographic quote; JSON has straight double quotes'
      if (/[A-Za-z_]/.test(character)) return 'a word without quotes'
      // No more of the text, which may be a secret.
      if (/[0-9+-]/.test(character)) return 'a number'
      return /[{[:,]/.test(character) ? `"${character}"` : 'another character'
  }
}
