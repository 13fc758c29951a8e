import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { MAX_JSON_DEPTH } from '../src/json-depth.ts'
import { readJson } from '../src/json.ts'

fc.configureGlobal({ seed: 1 })

function detailOf(text: string): string {
  const read = readJson(text)
  return read.ok ? `read as ${JSON.stringify(read.value)}` : read.detail
}

test.for<[string, unknown]>([
  ['{"a": [1, -2.5e3, true, null, "x"]}', { a: [1, -2500, true, null, 'x'] }],
  ['\uFEFF{"a": 1}', { a: 1 }],
  ['\uFEFF 5 \r\n', 5],
  ['"\uFEFF"', '\uFEFF'],
  ['{"constructor": 1}', { constructor: 1 }],
])('%j is read', ([text, value]) => {
  expect(readJson(text)).toEqual({ ok: true, value })
})

test.for<[string, string]>([
  ['', 'line 1, column 1: wanted a value, found the end of the text'],
  ['\uFEFF', 'line 1, column 1: wanted a value, found the end of the text'],
  ['{', 'line 1, column 2: wanted a name in double quotes, found the end of the text'],
  ['{"a": 1,}', 'line 1, column 9: wanted a name in double quotes, found "}" behind a comma; remove the comma'],
  ['[1, 2, ]', 'line 1, column 8: wanted a value, found "]" behind a comma; remove the comma'],
  ["{'a': 1}", 'line 1, column 2: wanted a name in double quotes, found a single quote; JSON has double quotes'],
  ['{a: 1}', 'line 1, column 2: wanted a name in double quotes, found a word without quotes'],
  ['{"a" 1}', 'line 1, column 6: wanted ":", found a number'],
  [
    '{"a": 1\n"b": 2}',
    'line 2, column 1: wanted "," or "}", found a string that does not end, ' +
      'or that holds a line break, a control character or an unknown escape',
  ],
  [
    '{"a": "x\n"}',
    'line 1, column 7: wanted a value, found a string that does not end, ' +
      'or that holds a line break, a control character or an unknown escape',
  ],
  ['{"a": 1} {"b": 2}', 'line 1, column 10: wanted the end of the text, found "{"'],
  ['// a\n{}', 'line 1, column 1: wanted a value, found "/"; JSON has no comments'],
  ['{"a": NaN}', 'line 1, column 7: wanted a value, found a word without quotes'],
  ['{"a": “x”}', 'line 1, column 7: wanted a value, found a typographic quote; JSON has straight double quotes'],
  ['{}\n\uFEFF{}', 'line 2, column 1: wanted the end of the text, found a byte order mark; remove it'],
  [
    '{"__proto__": {}}',
    'the keys "__proto__" and "constructor" with "prototype" are not allowed anywhere; remove them',
  ],
  [
    '{"a": {"constructor": {"prototype": 1}}}',
    'the keys "__proto__" and "constructor" with "prototype" are not allowed anywhere; remove them',
  ],
  [
    String.raw`{"\u005f_proto__": {}}`,
    'the keys "__proto__" and "constructor" with "prototype" are not allowed anywhere; remove them',
  ],
])('%j is rejected at the place where it stops being JSON', ([text, detail]) => {
  expect(detailOf(text)).toBe(detail)
})

const piece = fc.constantFrom(
  ...'{ } [ ] , : "a" "b" "\\u0041" "\\x" 1 -0 01 1. 1e5 true nul null \' / \uFEFF'.split(' '),
  ' ',
  '\n',
)

property.prop([fc.array(piece, { maxLength: 12 })], { numRuns: 20_000 })(
  'a text is rejected exactly when JSON.parse rejects it, and never with the message of JSON.parse',
  (pieces) => {
    const text = pieces.join('')
    let reason: string | undefined
    try {
      JSON.parse(text.replace(/^\uFEFF/, ''))
    } catch (error) {
      reason = String(error)
    }
    const read = readJson(text)
    expect(read.ok).toBe(reason === undefined)
    if (!read.ok) expect(read.detail).toMatch(/^line \d+, column \d+: wanted .+, found .+$/)
  },
)

test.for(['[]', '{"a":}'])('nesting of %s is limited, and checked before the text is parsed', (pair) => {
  const [open, close] = [pair.slice(0, -1), pair.slice(-1)]
  const nested = (depth: number, inner = '1') => open.repeat(depth) + inner + close.repeat(depth)
  expect(readJson(nested(MAX_JSON_DEPTH))).toMatchObject({ ok: true })
  for (const text of [nested(MAX_JSON_DEPTH + 1), open.repeat(500_000), nested(500_000)])
    expect(detailOf(text)).toBe('objects and arrays may be nested at most 64 deep; found more')
  // Brackets in strings are text, and so are those behind an escaped quote.
  for (const inner of [`"${'['.repeat(100)}"`, `"\\"${'{'.repeat(100)}"`, `"${'\\\\'.repeat(3)}"`])
    expect(readJson(nested(MAX_JSON_DEPTH, inner))).toMatchObject({ ok: true })
})

property.prop([fc.jsonValue({ maxDepth: 5 }), fc.boolean()])('JSON of usual depth is read', (value, indented) => {
  expect(readJson(JSON.stringify(value, null, indented ? 2 : 0))).toEqual({
    ok: true,
    value: JSON.parse(JSON.stringify(value)),
  })
})
