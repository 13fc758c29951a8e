import { fc, test as property } from '@fast-check/vitest'
import { SaxesParser } from 'saxes'
import { describe, expect, test } from 'vitest'
import { lintNotification, warningsOf } from '../src/notification-lint.ts'
import { notificationSchema } from '../src/notification.ts'
import type { PreparedMessage } from '../src/prepared-message.ts'
import { bodyFor, prepareMessage } from '../src/prepared-message.ts'
import { replaceIllegalCharacters } from '../src/xml-escape.ts'

fc.configureGlobal({ seed: 1 })

const store = { credentialsKind: 'store' } as const

function prepared(notification: unknown): PreparedMessage {
  const parsed = notificationSchema.parse(notification)
  expect(lintNotification(parsed, store)).toEqual([])
  return prepareMessage(parsed)
}

function resultOf(notification: unknown, vars: Record<string, string>): string {
  const rendered = bodyFor(prepared(notification), vars)
  return rendered.ok ? rendered.body.toString() : rendered.reason
}

function toast(inside: string, attributes = ''): unknown {
  const xml = `<toast${attributes}><visual><binding template="ToastGeneric">${inside}</binding></visual></toast>`
  return { type: 'toast', xml }
}

const badges: [string, unknown][] = [
  ['the value of a badge', { type: 'badge', value: '{{vars.n}}' }],
  ['a badge of XML', { type: 'badge', xml: '<badge value="{{vars.n}}"/>' }],
  ['a badge in a variant', { type: 'badge', value: 1, variants: { de: { value: '{{vars.n}}' } } }],
]

describe('values of a recipient are checked like values in the notification', () => {
  for (const [where, notification] of badges)
    test.for<[Record<string, string>, string]>([
      [{ n: '3' }, '<badge value="3"/>'],
      [{ n: '0' }, '<badge value="0"/>'],
      [{ n: 'newMessage' }, '<badge value="newMessage"/>'],
      [{ n: 'abc' }, 'invalid-content'],
      [{ n: '' }, 'invalid-content'],
      [{}, 'invalid-content'],
      [{ n: '-1' }, 'invalid-content'],
      [{ n: '1.5' }, 'invalid-content'],
      [{ n: ' 3' }, 'invalid-content'],
      [{ n: '99999999999' }, 'invalid-content'],
    ])(`in ${where}: %j`, ([vars, expected]) => {
      const rendered = bodyFor(prepared(notification), vars, 'de')
      expect(rendered.ok ? rendered.body.toString() : rendered.reason).toBe(expected)
    })

  test('a badge whose fallback is a number is rejected only for values that are present', () => {
    expect(resultOf({ type: 'badge', value: '{{vars.n|0}}' }, {})).toBe('<badge value="0"/>')
    expect(resultOf({ type: 'badge', value: '{{vars.n|0}}' }, { n: 'many' })).toBe('invalid-content')
  })

  test.for<[string, unknown, Record<string, string>, boolean]>([
    ['a text', toast('<text>{{vars.a}}</text>'), { a: 'Ann' }, true],
    ['a text of nothing', toast('<text>{{vars.a}}</text>'), {}, false],
    ['a text of blanks', toast('<text>{{vars.a}}</text>'), { a: ' \n ' }, false],
    ['a second text of nothing', toast('<text>Hi</text><text>{{vars.a}}</text>'), {}, true],
    ['a text of markup', toast('<text>{{vars.a}}</text>'), { a: '</text><b>]]>&' }, true],
    ['a title of nothing', { type: 'toast', content: { title: '{{vars.a}}' } }, {}, false],
    ['a title of nothing, and a line', { type: 'toast', content: { title: '{{vars.a}}', lines: ['b'] } }, {}, true],
    ['an image', toast('<text>a</text><image src="{{vars.a}}"/>'), { a: 'https://example.com/a.png' }, true],
    ['a part of an image', toast('<text>a</text><image src="https://example.com/{{vars.a}}.png"/>'), {}, true],
    ['no image', toast('<text>a</text><image src="{{vars.a}}"/>'), {}, false],
    [
      'an image of another scheme',
      toast('<text>a</text><image src="{{vars.a}}"/>'),
      { a: 'data:image/png;base64,AA' },
      false,
    ],
    [
      'an image with a line break',
      toast('<text>a</text><image src="https://e.com/{{vars.a}}"/>'),
      { a: 'a\nb' },
      false,
    ],
    ['an image of a content', { type: 'toast', content: { title: 'a', image: '{{vars.a}}' } }, {}, false],
    ['an image of a tile', { type: 'tile', content: { medium: { image: '{{vars.a}}' } } }, { a: '' }, false],
    ['any launch', toast('<text>a</text>', ' launch="id={{vars.a}}"'), { a: '"&<>\u0001' }, true],
    ['a scenario', toast('<text>a</text>', ' scenario="{{vars.a|reminder}}"'), { a: 'alarm' }, true],
    ['an unknown scenario', toast('<text>a</text>', ' scenario="{{vars.a|reminder}}"'), { a: 'panic' }, false],
    ['a time', toast('<text>a</text>', ' displayTimestamp="{{vars.a}}"'), { a: '2026-01-31T09:30:00Z' }, true],
    ['a time that is none', toast('<text>a</text>', ' displayTimestamp="{{vars.a}}"'), { a: 'soon' }, false],
    ['a progress', toast('<text>a</text><progress value="{{vars.a}}" status="s"/>'), { a: '0.5' }, true],
    ['a progress above 1', toast('<text>a</text><progress value="{{vars.a}}" status="s"/>'), { a: '50' }, false],
    ['a hint', toast('<text hint-maxLines="{{vars.a}}">a</text>'), { a: 'many' }, true],
    ['raw text', { type: 'raw', text: '{{vars.a|x}}' }, { a: '' }, false],
  ])('%s', ([, notification, vars, isSent]) => {
    const rendered = bodyFor(prepared(notification), vars)
    expect(rendered).toEqual(isSent ? { ok: true, body: expect.any(Buffer) } : { ok: false, reason: 'invalid-content' })
  })

  test('ids that collide in the values are found in the whole document', () => {
    const xml =
      '<toast><visual><binding template="ToastGeneric"><text>a</text></binding></visual><actions>' +
      '<input id="{{vars.a}}" type="text"/><input id="x" type="text"/></actions></toast>'
    expect(bodyFor(prepared({ type: 'toast', xml }), { a: 'y' }).ok).toBe(true)
    expect(bodyFor(prepared({ type: 'toast', xml }), { a: 'x' })).toEqual({ ok: false, reason: 'invalid-content' })
  })

  test('a payload that a value makes too large is rejected as such', () => {
    const notification = { type: 'raw', text: 'a{{vars.a}}' }
    expect(resultOf(notification, { a: 'b'.repeat(4999) })).toHaveLength(5000)
    expect(resultOf(notification, { a: 'b'.repeat(5000) })).toBe('too-large')
    expect(resultOf({ type: 'toast', content: { title: 'a{{vars.a}}' } }, { a: '&'.repeat(950) })).toContain('&amp;')
    expect(resultOf({ type: 'toast', content: { title: 'a{{vars.a}}' } }, { a: '&'.repeat(1000) })).toBe('too-large')
  })
})

function codesOf(notification: unknown): string[] {
  return warningsOf(notificationSchema.parse(notification)).map(({ path, code }) => `${path.join('.')}: ${code}`)
}

test('a placeholder without fallback is a warning where a missing value excludes the recipient', () => {
  expect(codesOf({ type: 'badge', value: '{{vars.n}}' })).toEqual(['value: placeholder-value'])
  expect(codesOf({ type: 'badge', value: '{{vars.n|1}}' })).toEqual([])
  expect(codesOf({ type: 'badge', value: 1, variants: { de: { value: '{{vars.n}}' } } })).toEqual([
    'variants.de.value: placeholder-value',
  ])
  expect(codesOf({ type: 'toast', content: { title: 'Hi {{vars.n}}' } })).toEqual([])
  expect(codesOf({ type: 'toast', content: { title: '{{vars.n}}' } })).toEqual(['content: placeholder-value'])
  expect(codesOf({ type: 'toast', content: { title: 'a', image: '{{vars.n}}' } })).toEqual([
    'content: placeholder-value',
  ])
})

const anyValue = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.nat({ max: 3_000_000_000 }).map(String),
  fc.constantFrom('alert', 'Alert', 'none', '', '0', '00', '1e3', '+1', '1 ', '١'),
)

const oddPiece = fc.constantFrom(
  '<',
  '&',
  '"',
  "'",
  '>',
  ']]>',
  '&amp;',
  '{{',
  '\t',
  '\n',
  '\r',
  '\0',
  '\u0007',
  '\uFFFE',
  '👩‍👩‍👧',
  'שלום',
  '\u202E',
  'é',
  'a',
)
const oddText = fc.oneof(
  fc.array(oddPiece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary' }),
)

/** The texts and the launch attribute of a document, as an independent parser reads them. */
function readBack(xml: string): { readonly text: string; readonly launch: string | undefined } {
  const parser = new SaxesParser()
  let text = ''
  let launch: string | undefined
  parser.on('opentag', ({ name, attributes }) => {
    if (name === 'toast') launch = attributes['launch']
  })
  parser.on('text', (piece) => {
    text += piece
  })
  parser.on('error', (error) => {
    throw error
  })
  parser.write(xml).close()
  return { text, launch }
}

property.prop([oddText], { numRuns: 2000 })(
  'a toast with any value parses and contains exactly the value, in a text and in an attribute',
  (value) => {
    const xml =
      '<toast launch="[{{vars.v}}]"><visual><binding template="ToastGeneric"><text>[{{vars.v}}]</text></binding>' +
      '</visual></toast>'
    const rendered = bodyFor(prepared({ type: 'toast', xml }), { v: value })
    if (!rendered.ok) throw new Error(rendered.reason)
    // XML 1.0 cannot hold some characters, not even escaped.
    const expected = `[${replaceIllegalCharacters(value)}]`
    expect(readBack(rendered.body.toString())).toEqual({ text: expected, launch: expected })
  },
)

property.prop([anyValue], { numRuns: 2000 })(
  'a badge is sent with a value of a recipient exactly when it may be given in the notification',
  (value) => {
    const given = lintNotification({ type: 'badge', value }, store).length === 0
    expect(bodyFor(prepareMessage({ type: 'badge', value: '{{vars.n}}' }), { n: value }).ok).toBe(given)
  },
)
