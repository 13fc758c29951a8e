import { fc, test as property } from '@fast-check/vitest'
import { growsLinearly } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import type { Template } from '../src/template.ts'
import { coverPlaceholders, parseTemplate, renderTemplate } from '../src/template.ts'

// The same texts in every run.
fc.configureGlobal({ seed: 1 })

function parsed(text: string): Template {
  const result = parseTemplate(text)
  if (!result.ok) throw new Error(JSON.stringify(result.inputErrors))
  return result.template
}

interface Piece {
  readonly text: string
  readonly value: (vars: Record<string, string>) => string
}

function rendered(text: string, vars: Record<string, string> = {}, context: 'xml' | 'text' = 'text'): string {
  return renderTemplate(parsed(text), vars, context).toString()
}

describe('a template', () => {
  test('without placeholders is the same for all recipients', () => {
    expect(parsed('Hello')).toEqual({ parts: ['Hello'], names: [], isPersonalized: false })
    expect(parsed('')).toEqual({ parts: [], names: [], isPersonalized: false })
    expect(rendered('a { b } }} {c}')).toBe('a { b } }} {c}')
  })

  test('names its variables once, in order', () => {
    const { names, isPersonalized } = parsed('{{vars.b}} {{vars.a|x}} {{ vars.b }}')
    expect(names).toEqual(['b', 'a'])
    expect(isPersonalized).toBe(true)
  })

  test('renders the value, else the fallback, else nothing', () => {
    expect(rendered('Hi {{vars.name|you}}!', { name: 'Ann' })).toBe('Hi Ann!')
    expect(rendered('Hi {{vars.name|you}}!')).toBe('Hi you!')
    expect(rendered('Hi {{vars.name}}!')).toBe('Hi !')
    expect(rendered('Hi {{vars.name|you}}!', { name: '' })).toBe('Hi !')
    expect(rendered('{{vars.a| b }}{{vars.a|" b | c "}}')).toBe('b b | c ')
    expect(rendered('{{vars.a|}}{{vars.b|"{"}}')).toBe('{')
  })

  test('reads only own variables', () => {
    expect(rendered('[{{vars.constructor}}{{vars.toString}}{{vars.hasOwnProperty}}]')).toBe('[]')
  })

  test('does not read a value as a template', () => {
    expect(rendered('{{vars.a}}{{vars.b}}', { a: '{{vars.b}}', b: 'x' })).toBe('{{vars.b}}x')
  })

  test('escapes values and fallbacks in XML, and keeps them as they are in text', () => {
    const odd = `<a b="c" d='e'>&\n\u0001`
    const safe = '&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;&#10;\uFFFD'
    expect(rendered('<t>{{vars.v}}</t>', { v: odd }, 'xml')).toBe(`<t>${safe}</t>`)
    const quoted = `"${odd.replaceAll('"', String.raw`\"`)}"`
    expect(rendered(`<t>{{vars.v|${quoted}}}</t>`, {}, 'xml')).toBe(`<t>${safe}</t>`)
    expect(rendered('{{vars.v}}', { v: odd }, 'text')).toBe(odd)
  })

  test('is rendered in UTF-8', () => {
    expect(renderTemplate(parsed('é{{vars.a}}'), { a: '😀\uD800' }, 'text')).toEqual(Buffer.from('é😀\uFFFD'))
  })

  test.for<[string, string]>([
    ['{{', 'placeholder-unclosed'],
    ['a {{vars.name', 'placeholder-unclosed'],
    ['a {{vars.name}', 'placeholder-unclosed'],
    ['{{}}', 'placeholder-name'],
    ['{{name}}', 'placeholder-name'],
    ['{{vars}}', 'placeholder-name'],
    ['{{vars.}}', 'placeholder-name'],
    ['{{var.name}}', 'placeholder-name'],
    ['{{Vars.name}}', 'placeholder-name'],
    ['{{vars.1a}}', 'placeholder-name'],
    ['{{vars._a}}', 'placeholder-name'],
    ['{{vars.__proto__}}', 'placeholder-name'],
    ['{{vars.a-b}}', 'placeholder-name'],
    ['{{vars.a b}}', 'placeholder-name'],
    ['{{vars.é}}', 'placeholder-name'],
    [`{{vars.${'a'.repeat(41)}}}`, 'placeholder-name'],
    ['{{|x}}', 'placeholder-name'],
    ['{{{vars.a}}}', 'placeholder-name'],
    ['{{vars.a.b}}', 'placeholder-name'],
    ['{{#if vars.a}}', 'placeholder-name'],
  ])('%s is an error', ([text, code]) => {
    expect(parseTemplate(text)).toMatchObject({ ok: false, inputErrors: [{ path: [], code }] })
  })

  test('reports all its errors at once, with their places', () => {
    const result = parseTemplate('{{a}} {{vars.b}} {{c}} {{')
    expect(result.ok ? [] : result.inputErrors.map(({ code, detail }) => `${code} ${/\d+/.exec(detail)?.[0]}`)).toEqual(
      ['placeholder-name 1', 'placeholder-name 18', 'placeholder-unclosed 24'],
    )
  })

  test('accepts a name of 40 characters', () => {
    const name = `a${'_9'.repeat(19)}z`
    expect(rendered(`{{vars.${name}}}`, { [name]: 'x' })).toBe('x')
  })

  test('is read in linear time', () => {
    for (const unit of ['{{', '{', '}}', '{{}}', '{{vars.a', '{{vars.a|', ' ', '{{ '.padEnd(1000)]) {
      const isLinear = growsLinearly(20_000, (size) => parseTemplate(unit.repeat(Math.floor(size / unit.length))))
      expect(isLinear, unit).toBe(true)
    }
  })

  const literal = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('{', '(').replaceAll('}', ')'))
  const piece = fc.oneof(
    literal.map((text): Piece => ({ text, value: () => text })),
    fc.record({ name: fc.stringMatching(/^[a-c]$/), fallback: literal }).map(({ name, fallback }): Piece => ({
      text: `{{vars.${name}|"${fallback.replace(/["\\]/g, String.raw`\$&`)}"}}`,
      value: (vars) => vars[name] ?? fallback,
    })),
  )

  property.prop([fc.array(piece), fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.string({ unit: 'grapheme' }))])(
    'renders to its literals and values, one after the other',
    (pieces, vars) => {
      const template = parsed(pieces.map(({ text }) => text).join(''))
      const expected = pieces.map(({ value }) => value(vars)).join('')
      expect(renderTemplate(template, vars, 'text')).toEqual(Buffer.from(expected))
    },
  )

  property.prop([fc.array(piece)])('keeps the place of everything when its placeholders are covered', (pieces) => {
    const text = pieces.map((each) => each.text).join('')
    const covered = coverPlaceholders(parsed(text))
    expect(covered.length).toBe(text.length)
    expect(covered.split('\n').map((line) => line.length)).toEqual(text.split('\n').map((line) => line.length))
  })
})
