import { fc, test as property } from '@fast-check/vitest'
import { growsLinearly } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { foreignSyntax } from '../src/foreign-syntax.ts'
import { parsePlaceholder } from '../src/placeholder.ts'
import { parseTemplate, renderTemplate } from '../src/template.ts'

// The same texts in every run.
fc.configureGlobal({ seed: 1 })

function rendered(text: string, vars: Record<string, string> = {}): string {
  const parsed = parseTemplate(text)
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return renderTemplate(parsed.template, vars, 'text').toString()
}

function detailsOf(text: string): string[] {
  const parsed = parseTemplate(text)
  return parsed.ok ? [] : parsed.inputErrors.map(({ code, detail }) => `${code}: ${detail}`)
}

describe('a fallback', () => {
  test.for<[string, string]>([
    ['{{vars.name|friend}}', 'friend'],
    ['{{vars.name | friend}}', 'friend'],
    ['{{ vars.name |  dear friend  }}', 'dear friend'],
    ["{{vars.name|it's you, friend!}}", "it's you, friend!"],
    ['{{vars.name|Größe 大きさ 😀 5 €}}', 'Größe 大きさ 😀 5 €'],
    ['{{vars.name|R&D}}', 'R&D'],
    ['{{vars.name|Title}}', 'Title'],
    ['{{vars.name|}}', ''],
    ['{{vars.name|""}}', ''],
    ['{{vars.name|"  two blanks  "}}', '  two blanks  '],
    ["{{vars.name|'upcase'}}", 'upcase'],
    ['{{vars.name|"8:30 (a|b) <i> = {"}}', '8:30 (a|b) <i> = {'],
    [String.raw`{{vars.name|"a \"b\" \\ c"}}`, String.raw`a "b" \ c`],
    ['{{vars.name|"https://example.com/a.png"}}', 'https://example.com/a.png'],
  ])('%s is read as "%s"', ([text, fallback]) => {
    expect(rendered(text)).toBe(fallback)
    expect(rendered(text, { name: 'Ann' })).toBe('Ann')
  })

  test.for<[string, RegExp]>([
    ['{{ vars.name | default: "you" }}', /"default" is a filter.*write \{\{vars\.name\|"fallback"\}\}/],
    ['{{ vars.name | default("you") }}', /"default" is a filter/],
    ["{{ vars.name | default 'you' }}", /"default" is a filter/],
    ['{{vars.name|default:"you"}}', /"default" is a filter/],
    ['{{vars.name|upcase}}', /filters such as "upcase".*\{\{vars\.name\|"upcase"\}\}/],
    ['{{vars.name | capitalize}}', /filters such as "capitalize"/],
    ['{{vars.name | url_encode}}', /filters such as "url_encode"/],
    ['{{vars.name | strip | upcase}}', /filters such as "strip"/],
    ['{{vars.when | date: "%Y"}}', /filters such as "date"/],
    ['{{vars.name | truncate(20)}}', /filters such as "truncate"/],
    ['{{vars.name || "you"}}', /must be quoted/],
    ['{{vars.a|8:30}}', /must be quoted/],
    ['{{vars.a| b | c }}', /filters such as "b"/],
    ['{{vars.a|{}}', /must be quoted/],
    ['{{vars.a|two\nlines}}', /must be quoted/],
    ['{{vars.a|"open}}', /must be quoted/],
    ['{{vars.a|"a" b}}', /must be quoted/],
    ['{{vars.a|you -}}', /must be quoted/],
    ['{{vars.a|"${name}"}}', /cannot hold another placeholder/],
    ['{{vars.a|"{{vars.b"}}', /cannot hold another placeholder/],
  ])('%s is rejected', ([text, reason]) => {
    expect(detailsOf(text)).toEqual([expect.stringMatching(/^placeholder-fallback: character 1: /)])
    expect(detailsOf(text)[0]).toMatch(reason)
  })

  test('may be written with references in XML, since serializers escape it', () => {
    const parsed = parseTemplate('<t a="{{vars.a|&quot;x&quot;}}">{{vars.b|R&amp;D}}</t>', 'xml')
    if (!parsed.ok) throw new Error('it must be a template')
    expect(renderTemplate(parsed.template, {}, 'xml').toString()).toBe('<t a="x">R&amp;D</t>')
  })
})

describe('the syntax of another template language', () => {
  test.for<[string, RegExp]>([
    ['{{{vars.name}}}', /three braces/],
    ['{{#if vars.name}}', /blocks/],
    ['{{/if}}', /blocks/],
    ['{{else}}', /blocks/],
    ['{{> partial}}', /blocks/],
    ['{{! note }}', /blocks/],
    ['{{- vars.name -}}', /blank control/],
    ['{{name}}', /write \{\{vars\.name\}\}/],
    ['{{ $name }}', /write \{\{vars\.name\}\}/],
    ['{{.Name}}', /write \{\{vars\.Name\}\}/],
    ['{{user.name}}', /must be \{\{vars\.name\}\}/],
    ['{{vars["name"]}}', /variables are flat/],
    ['{{vars.name.first}}', /variables are flat/],
    ['{{vars.name ?? "you"}}', /a fallback stands behind "\|"/],
    ['{{vars.name or "you"}}', /a fallback stands behind "\|"/],
    ['{% if vars.name %}', /Liquid or Jinja/],
    ['{%- endif -%}', /Liquid or Jinja/],
    ['{# note #}', /Jinja or Svelte/],
    ['Hi ${name}', /do not insert a variable/],
    ['Hi ${ user.name }', /do not insert a variable/],
    ['Hi #{name}', /do not insert a variable/],
    ['Hi <%= name %>', /ERB, EJS or ASP/],
    ['Hi &lt;%= name %&gt;', /ERB, EJS or ASP/],
    ['Hi *|FNAME|*', /Mailchimp/],
    ['Hi {vars.name}', /two braces on each side/],
    ['Hi { vars.name }', /two braces on each side/],
    ['Hi %vars.name%', /two braces on each side/],
    ['Hi [vars.name]', /two braces on each side/],
    ['Hi [[vars.name]]', /two braces on each side/],
    ['Hi $vars.name', /two braces on each side/],
    ['Hi @vars.name', /two braces on each side/],
    ['Hi <vars.name>', /two braces on each side/],
    ['Hi vars.name}}', /without its beginning/],
  ])('%s is rejected with a hint', ([text, hint]) => {
    const details = detailsOf(text)
    expect(details.length).toBeGreaterThan(0)
    expect(details[0]).toMatch(hint)
  })

  test.for([
    'Sale: 50% off (today)!',
    '{"a": {"b": 1}}',
    '$5, #1, @home, 10 % {approx}',
    'a { b } }} {c}',
    'if (x < 5) { y }',
    'C# {0} {1}',
    'smile :-} ;-]',
    'https://example.com/?a=%20b&c={d}',
  ])('is not found in %s', (text) => {
    expect(detailsOf(text)).toEqual([])
  })

  test('is reported with its place, also after other placeholders', () => {
    expect(detailsOf('{{vars.a}} ${b} {% c %}').map((detail) => detail.slice(0, 28))).toEqual([
      'foreign-syntax: character 12',
      'foreign-syntax: character 17',
    ])
  })

  test('is found in linear time', () => {
    const units = ['{%', '${', '$ {', '<', '*|', '{ ', '{        vars', 'vars.a ', '&lt;%', '{#', '%  vars.']
    for (const unit of units) {
      expect(foreignSyntax(unit.repeat(100_000)).length).toBeLessThanOrEqual(20)
      expect(
        growsLinearly(10_000, (size) => foreignSyntax(unit.repeat(size))),
        unit,
      ).toBe(true)
    }
  })
})

// Pieces of placeholders, right and wrong, in any order.
const piece = fc.constantFrom(
  ...'{{ }} { } | " \' vars. vars.name name upcase default : ( ) % # $ {% %} ${ <%= %> && || friend \\ -'.split(' '),
  ' ',
)
const looksLikePlaceholder =
  /\{\{|\{%|\$\{\s*[A-Za-z_]|<%=|[{[(<%$#@]\s{0,8}vars\.[A-Za-z]|\bvars\.[A-Za-z]\w*\s{0,8}[}\]%]/

property.prop([fc.array(piece, { maxLength: 14 })], { numRuns: 20_000 })(
  'no text that looks like a placeholder can be sent',
  (pieces) => {
    const parsed = parseTemplate(pieces.join(''))
    if (!parsed.ok) {
      for (const { code, detail } of parsed.inputErrors) {
        expect(code).toMatch(/^(?:placeholder-(?:name|fallback|unclosed)|foreign-syntax)$/)
        expect(detail.length).toBeGreaterThan(20)
      }
      return
    }
    for (const part of parsed.template.parts)
      expect(typeof part === 'string' ? part : part.fallback).not.toMatch(looksLikePlaceholder)
    expect(renderTemplate(parsed.template, { name: 'Ann' }, 'text').toString()).not.toContain('{{')
  },
)

property.prop([fc.string({ unit: 'grapheme' })], { numRuns: 2000 })(
  'every text can be a fallback when it is quoted, unless it looks like a placeholder',
  (text) => {
    fc.pre(!text.includes('{{') && !text.includes('}}') && foreignSyntax(text).length === 0 && !/[{}]$/.test(text))
    const quoted = `"${text.replace(/["\\]/g, String.raw`\$&`)}"`
    expect(parsePlaceholder(`vars.a | ${quoted} `)).toEqual({ ok: true, name: 'a', fallback: text })
  },
)
