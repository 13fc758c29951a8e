import { fc, test as property } from '@fast-check/vitest'
import { growsLinearly } from '@wns-fanout/testing'
import { SaxesParser } from 'saxes'
import { describe, expect, test } from 'vitest'
import { PLACEHOLDER_MARK } from '../src/placeholder-marks.ts'
import { escapeXmlAttribute, escapeXmlText, escapeXmlValue } from '../src/xml-escape.ts'
import { MAX_XML_DEPTH, MAX_XML_LENGTH, readXml } from '../src/xml.ts'

// The same texts in every run.
fc.configureGlobal({ seed: 1 })

function codes(text: string): string[] {
  return readXml(text, 'toast').inputErrors.map(({ code }) => code)
}

const laughs = `<!DOCTYPE lolz [<!ENTITY lol "lol">${Array.from(
  { length: 9 },
  (_, level) => `<!ENTITY lol${level + 1} "${`&lol${level === 0 ? '' : level};`.repeat(10)}">`,
).join('')}]><toast>&lol9;</toast>`

// Its name, the document, a code that must be among its errors.
const hostile: [string, string, string][] = [
  ['billion laughs', laughs, 'xml-doctype'],
  [
    'quadratic blowup',
    `<!DOCTYPE t [<!ENTITY a "${'a'.repeat(4000)}">]><toast>${'&a;'.repeat(4000)}</toast>`,
    'xml-doctype',
  ],
  ['external entity', '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><toast>&x;</toast>', 'xml-doctype'],
  ['parameter entity', '<!DOCTYPE t [<!ENTITY % x SYSTEM "http://169.254.169.254/">%x;]><toast/>', 'xml-doctype'],
  ['external document type', '<!DOCTYPE toast SYSTEM "http://evil.com/x.dtd"><toast/>', 'xml-doctype'],
  ['public document type', '<!DOCTYPE toast PUBLIC "-//X" "http://evil.com/x.dtd"><toast/>', 'xml-doctype'],
  ['document type behind a declaration', '<?xml version="1.0"?>\n<!DOCTYPE toast><toast/>', 'xml-doctype'],
  ['document type behind a comment', '<!-- a --><!DOCTYPE toast><toast/>', 'xml-doctype'],
  ['document type in lower case', '<!doctype toast><toast/>', 'xml-doctype'],
  ['document type inside the root', '<toast><!DOCTYPE toast></toast>', 'xml-doctype'],
  ['document type hidden in a comment', '<toast><!-- <!DOCTYPE t> --></toast>', 'xml-doctype'],
  ['entity declaration alone', '<!ENTITY a "b"><toast/>', 'xml-doctype'],
  ['notation', '<!NOTATION a SYSTEM "b"><toast/>', 'xml-doctype'],
  ['conditional section', '<toast><![INCLUDE[<a/>]]></toast>', 'xml-doctype'],
  ['stylesheet instruction', '<?xml-stylesheet href="http://evil.com/x.xsl"?><toast/>', 'xml-instruction'],
  ['instruction inside', '<toast><?php system("id") ?></toast>', 'xml-instruction'],
  ['instruction behind the root', '<toast/><?a?>', 'xml-instruction'],
  ['second declaration', '<?xml version="1.0"?><?xml version="1.0"?><toast/>', 'xml-declaration'],
  ['declaration behind a space', ' <?xml version="1.0"?><toast/>', 'xml-declaration'],
  ['version 1.1', '<?xml version="1.1"?><toast>&#1;</toast>', 'xml-declaration'],
  ['another encoding', '<?xml version="1.0" encoding="utf-16"?><toast/>', 'xml-declaration'],
  ['encoding utf-7', '<?xml version="1.0" encoding="utf-7"?><toast>+ADw-a+AD4-</toast>', 'xml-declaration'],
  ['declaration that does not end', '<?xml version="1.0"', 'xml-declaration'],
  ['byte order mark', '\uFEFF<toast/>', 'xml-byte-order-mark'],
  ['undefined entity', '<toast>&nbsp;</toast>', 'xml-malformed'],
  ['entity named like a property', '<toast>&constructor;&toString;&__proto__;</toast>', 'xml-malformed'],
  ['bare ampersand', '<toast>Tom & Jerry</toast>', 'xml-malformed'],
  ['control character', '<toast>\u0001</toast>', 'xml-illegal-character'],
  ['escape character', '<toast a="\u001B[2J"/>', 'xml-illegal-character'],
  ['NUL', '<toast>\0</toast>', 'xml-illegal-character'],
  ['lone high surrogate before a tag', '<toast>\uD83D</toast>', 'xml-illegal-character'],
  ['lone low surrogate', '<toast>\uDE00</toast>', 'xml-illegal-character'],
  ['U+FFFE', '<toast>\uFFFE</toast>', 'xml-illegal-character'],
  ['reference to a control character', '<toast>&#x1;</toast>', 'xml-malformed'],
  ['reference to NUL', '<toast>&#0;</toast>', 'xml-malformed'],
  ['reference to a surrogate', '<toast>&#xD800;</toast>', 'xml-malformed'],
  ['reference beyond Unicode', '<toast>&#x110000;</toast>', 'xml-malformed'],
  ['enormous reference', `<toast>&#${'9'.repeat(5000)};</toast>`, 'xml-malformed'],
  ['deep nesting', `<toast>${'<a>'.repeat(20_000)}`, 'xml-too-deep'],
  ['deep nesting, closed', `<toast>${'<a>'.repeat(9000)}${'</a>'.repeat(9000)}</toast>`, 'xml-too-deep'],
  [
    'one level too deep',
    `<toast>${'<a>'.repeat(MAX_XML_DEPTH)}${'</a>'.repeat(MAX_XML_DEPTH)}</toast>`,
    'xml-too-deep',
  ],
  ['too long', `<toast>${'a'.repeat(MAX_XML_LENGTH)}</toast>`, 'xml-too-long'],
  ['ten megabytes', `<toast>${'<a/>'.repeat(2_500_000)}</toast>`, 'xml-too-long'],
  ['attribute twice', '<toast a="1" a="2"/>', 'xml-malformed'],
  ['attribute twice through namespaces', '<toast xmlns:a="u" xmlns:b="u" a:x="1" b:x="2"/>', 'xml-malformed'],
  ['thousands of equal attributes', `<toast ${'a="" '.repeat(12_000)}/>`, 'xml-malformed'],
  ['unbound prefix', '<toast><x:a/></toast>', 'xml-malformed'],
  ['unquoted attribute', '<toast a=b/>', 'xml-malformed'],
  ['attribute without value', '<toast a/>', 'xml-malformed'],
  ['less-than in an attribute', '<toast a="<"/>', 'xml-malformed'],
  ['end of section in text', '<toast>]]></toast>', 'xml-malformed'],
  ['section that does not end', `<toast><![CDATA[${'<a>'.repeat(1000)}`, 'xml-malformed'],
  ['comment that does not end', `<toast><!-- ${'-'.repeat(1000)}`, 'xml-malformed'],
  ['two hyphens in a comment', '<toast><!-- -- --></toast>', 'xml-malformed'],
  ['tag that does not close', '<toast><visual></toast>', 'xml-malformed'],
  ['crossed tags', '<toast><a><b></a></b></toast>', 'xml-malformed'],
  ['thousands of stray closing tags', `<toast>${'</a>'.repeat(10_000)}</toast>`, 'xml-malformed'],
  ['two roots', '<toast/><toast/>', 'xml-malformed'],
  ['text before the root', 'a<toast/>', 'xml-malformed'],
  ['text behind the root', '<toast/>a', 'xml-malformed'],
  ['nothing', '', 'xml-malformed'],
  ['only spaces', '   ', 'xml-malformed'],
  ['not XML', '{"toast": true}', 'xml-malformed'],
  ['another root', '<tile/>', 'xml-root'],
  ['root in another case', '<Toast/>', 'xml-root'],
  ['root in a namespace of a prefix', '<t:toast xmlns:t="u"/>', 'xml-root'],
  ['placeholder in a comment', `<toast><!--${PLACEHOLDER_MARK}--></toast>`, 'placeholder-position'],
  ['placeholder in a section', `<toast><![CDATA[${PLACEHOLDER_MARK}]]></toast>`, 'placeholder-position'],
  ['placeholder in a namespace', `<toast xmlns:a="${PLACEHOLDER_MARK}"/>`, 'placeholder-position'],
  ['placeholder in a name', `<toast><${PLACEHOLDER_MARK}/></toast>`, 'xml-malformed'],
  ['placeholder in an entity', `<toast>&${PLACEHOLDER_MARK};</toast>`, 'xml-malformed'],
]

const fine: [string, string][] = [
  ['an empty element', '<toast/>'],
  ['a declaration', '<?xml version="1.0" encoding="utf-8"?>\n<toast/>'],
  ['a declaration in single quotes', "<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><toast/>"],
  ['references', '<toast launch="a&amp;b&#10;">&lt;&#x1F600;</toast>'],
  ['a section', '<toast><![CDATA[<b>&]]></toast>'],
  ['comments', '<!-- a --><toast><!-- b --></toast><!-- c -->'],
  ['every script', '<toast>Größe 大きさ 😀 \uE700</toast>'],
  ['a placeholder in text', `<toast a="${PLACEHOLDER_MARK}">${PLACEHOLDER_MARK}</toast>`],
  ['the deepest nesting', `<toast>${'<a>'.repeat(MAX_XML_DEPTH - 1)}${'</a>'.repeat(MAX_XML_DEPTH - 1)}</toast>`],
  [
    'a real toast',
    '<toast launch="a=1"><visual><binding template="ToastGeneric"><text>Hi</text></binding></visual></toast>',
  ],
]

/** The least processor time of three runs, so that a busy machine does not look like slow code. */
describe('a document', () => {
  test.for(hostile)('is rejected: %s', ([, text, code]) => {
    const found = codes(text)
    expect(found).toContain(code)
    expect(found.length).toBeLessThanOrEqual(22)
  })

  test.for(fine)('is accepted: %s', ([, text]) => {
    expect(readXml(text, 'toast')).toMatchObject({ inputErrors: [], root: { name: 'toast' } })
  })

  test('reports all its errors at once, each with its place', () => {
    const { inputErrors } = readXml('<tile>\n<a>\u0001&b;</tile>', 'toast')
    expect(inputErrors.map(({ code, detail }) => `${code}: ${detail}`)).toEqual([
      'xml-illegal-character: line 2, column 4: U+0001 is not a character of XML 1.0; remove it',
      'xml-malformed: line 2, column 5: &b; is an entity of HTML, not of XML; write the character itself',
      'xml-root: line 1, column 1: the root element is <tile>; it must be <toast>',
      'xml-malformed: line 2, column 14: <a> is not closed before this closing tag',
    ])
  })

  test.for<[string, string, string]>([
    [
      'a bare ampersand',
      '<toast>Tom & Jerry & Co</toast>',
      'line 1, column 12 and 1 more place: write &amp; for a literal &',
    ],
    ['an ampersand in a URI', '<toast launch="a=1&b=2"/>', 'line 1, column 19: write &amp; for a literal &'],
    [
      'an entity of HTML',
      '<toast>\na&nbsp;b</toast>',
      'line 2, column 2: &nbsp; is an entity of HTML, not of XML; write &#160; or the character itself',
    ],
    [
      'a declaration behind a line break',
      '\n<?xml version="1.0"?>\n<toast/>',
      'line 2, column 1: the XML declaration must be the first thing in the document; ' +
        'remove it or what stands before it',
    ],
    [
      'a declaration of another encoding',
      '<?xml version="1.0" encoding="utf-16"?><toast/>',
      'line 1, column 1: the XML declaration may hold only version 1.0 and encoding UTF-8; remove it',
    ],
    [
      'a byte order mark before a declaration',
      '\uFEFF<?xml version="1.0"?><toast/>',
      'remove the byte order mark (U+FEFF) at the beginning',
    ],
    ['an unclosed tag', '<toast><visual>', 'line 1, column 15: <visual> is not closed'],
    ['a smaller-than sign', '<toast launch="1 < 2"/>', 'line 1, column 18: write &lt; for a literal <'],
  ])('has one clear error for %s', ([, text, detail]) => {
    expect(readXml(text, 'toast').inputErrors[0]?.detail).toBe(detail)
    if (!text.endsWith('<visual>')) expect(readXml(text, 'toast').inputErrors).toHaveLength(1)
  })

  test('takes time linear in its length, whatever it repeats', () => {
    const units = [
      '<a/>',
      '<a b="c" ',
      '&amp;',
      '&x;',
      '<',
      '<!',
      '<?',
      '<!--',
      ']]>',
      '</a>',
      '\u0001',
      '{',
      '-->',
      '"',
      ' ',
    ]
    for (const unit of units) {
      const isLinear = growsLinearly(2000, (size) => readXml(`<toast>${unit.repeat(size)}`, 'toast'))
      expect(isLinear, unit).toBe(true)
    }
  })
})

function parsedText(document: string): { text: string; attribute: string | undefined; tags: number } {
  const seen = { text: '', attribute: undefined as string | undefined, tags: 0 }
  const parser = new SaxesParser()
  parser.on('text', (text) => {
    seen.text += text
  })
  parser.on('opentag', ({ attributes }) => {
    seen.tags += 1
    seen.attribute = attributes['b']
  })
  parser.write(document).close()
  return seen
}

function isLegal(text: string): boolean {
  return !/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(text)
}
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc
    .array(
      fc.constantFrom(
        ']',
        ']]>',
        '<',
        '>',
        '&',
        '"',
        "'",
        '<!--',
        '<![CDATA[',
        '\n',
        '\t',
        '\r',
        'a',
        '\u0001',
        '\uD800',
      ),
    )
    .map((parts) => parts.join('')),
)

describe('escaped text', () => {
  property.prop([anyText])('reads back as it was, in an element and in an attribute', (text) => {
    if (!isLegal(text)) {
      expect(() => escapeXmlText(text)).toThrow(RangeError)
      expect(() => escapeXmlAttribute(text)).toThrow(RangeError)
      return
    }
    const document = `<a b="${escapeXmlAttribute(text)}">${escapeXmlText(text)}</a>`
    expect(parsedText(document)).toEqual({ text, attribute: text, tags: 1 })
  })

  property.prop([anyText])('of a recipient never throws and reads back in either place', (value) => {
    const written = escapeXmlValue(value)
    const expected = [...value.toWellFormed()].map((character) => (isLegal(character) ? character : '\uFFFD')).join('')
    expect(parsedText(`<a b="${written}">${written}</a>`)).toEqual({ text: expected, attribute: expected, tags: 1 })
    expect(parsedText(`<a b='${written}'/>`).attribute).toBe(expected)
  })

  test('reports which character cannot be written', () => {
    expect(() => escapeXmlText('a\u0000')).toThrow('line 1, column 2: U+0000 is not a character of XML 1.0')
  })
})

// The messages in the source of the parser; none may reach a user.
const wordsOfParser =
  /disallowed|malformed|unexpected|unmatched|unclosed tag|inappropriately|text data|well-formed name|unbound|undefined entity|forward-slash|weird|may not be set|must be bound|expected one/

const fragment = fc.constantFrom(
  ...'< > / <a> </a> <b/> = " \' & &amp; &x; &#0; ; a: xmlns:a="u" x="1" x <!-- --> -- <![CDATA[ ]]> <? ?> ! é'.split(
    ' ',
  ),
  ' ',
)

property.prop([fc.array(fragment, { maxLength: 10 })], { numRuns: 1500 })(
  'no error of a document has a text of the parser',
  (fragments) => {
    for (const text of [fragments.join(''), `<toast>${fragments.join('')}</toast>`, `<toast ${fragments.join('')}/>`])
      for (const { detail } of readXml(text, 'toast').inputErrors) expect(detail).not.toMatch(wordsOfParser)
  },
)
