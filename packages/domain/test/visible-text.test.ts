import { expect, test } from 'vitest'
import { labelSchema, visibleText } from '../src/visible-text.ts'

const hostile = ['\u001B[2J', 'a\rb', 'a\nb', '\u0007', '\u009B31m', '\u202Eevil', '\u2028', '\0', '\uFEFF', '\u007F']

test.for(hostile)('%j is shown as escapes, and is not a valid label', (text) => {
  expect(visibleText(text)).toMatch(/\\u[0-9a-f]{4}/)
  // oxlint-disable-next-line no-control-regex -- none of these may remain
  expect(visibleText(text)).not.toMatch(/[\0-\u001F\u007F-\u009F\u2028-\u202E\uFEFF]/)
  expect(labelSchema(200).safeParse(text).success).toBe(false)
})

test.for(['Breaking news', 'São Paulo — 7 °C', '朝のニュース 🌅', 'x'.repeat(200)])(
  '%s is a valid label, and is shown unchanged',
  (text) => {
    expect(visibleText(text)).toBe(text)
    expect(labelSchema(200).safeParse(text).success).toBe(true)
  },
)

test('JSON with escapes parses to the same value', () => {
  const value = { name: '\u009B31m\u202Ex' }
  expect(JSON.parse(visibleText(JSON.stringify(value)))).toEqual(value)
})
