import { describe, expect, test } from 'vitest'
import { cut } from '../src/terminal/columns.ts'
import { formatBytes, formatCount, formatDuration, formatRate, formatShare } from '../src/terminal/format.ts'
import { progressLine } from '../src/terminal/progress.ts'
import { fieldLines, tableLines } from '../src/terminal/table.ts'

describe('numbers as text', () => {
  test.each([
    [0, '0 ms'],
    [40.4, '40 ms'],
    [3210, '3.2 s'],
    [59_960, '1 min 00 s'],
    [125_000, '2 min 05 s'],
    [11_220_000, '3 h 07 min'],
  ])('%d ms reads %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text))

  test.each([
    [812, '812 B'],
    [3400, '3.4 kB'],
    [999_600, '1.0 MB'],
    [118_000_000, '118 MB'],
  ])('%d bytes read %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  test.each([
    [0, 10, '0 %'],
    [1, 1_000_000, '0.1 %'],
    [3, 100, '3.0 %'],
    [61, 100, '61 %'],
    [999_999, 1_000_000, '99.9 %'],
    [10, 10, '100 %'],
    [0, 0, '0 %'],
  ])('%d of %d is %s', (part, whole, text) => expect(formatShare(part, whole)).toBe(text))

  test('a rate has a decimal only below 10', () => {
    expect([0, 0.42, 12.6, 3100].map(formatRate)).toEqual(['0/s', '0.4/s', '13/s', '3,100/s'])
    expect(formatCount(1_234_567)).toBe('1,234,567')
  })
})

describe('the bar', () => {
  test('it is full only when everything is done', () => {
    expect(progressLine('send', { done: 999_999, total: 1_000_000, note: '' }, true)).toContain('░]  99.9 %')
    expect(progressLine('send', { done: 10, total: 10, note: '' }, true)).toContain('█]')
  })
  test('nothing is drawn while the total is not known', () => {
    expect(progressLine('send', { done: 5, total: null, note: 'scheduled' }, true)).toBe('send  scheduled')
  })
  test('without a terminal it is plain text', () => {
    expect(progressLine('send', { done: 1, total: 2, note: '1 of 2' }, false)).toBe('send    50 %  1 of 2')
  })
})

describe('tables', () => {
  test('numbers are right-aligned and texts left-aligned, without trailing blanks', () => {
    expect(
      tableLines(
        ['class', 'count', ''],
        [
          ['dead', 5, 'x'],
          ['accepted', 1200, ''],
        ],
      ),
    ).toEqual(['class     count', '────────  ─────  ─', 'dead          5  x', 'accepted  1,200'])
  })
  test('wide letters and emoji take two columns, accents none', () => {
    expect(
      tableLines(
        ['name', 'count'],
        [
          ['天気', 1],
          ['cafe\u0301', 2],
          ['👩‍👩‍👧', 3],
        ],
      ),
    ).toEqual(['name  count', '────  ─────', '天気      1', 'cafe\u0301      2', '👩‍👩‍👧        3'])
    expect(
      fieldLines([
        ['天気', 'a'],
        ['rate', 'b'],
      ]),
    ).toEqual(['天気  a', 'rate  b'])
  })
  test('a line is cut at the columns of the terminal, never inside a letter', () => {
    expect(cut('天気予報', 5)).toBe('天気')
    expect(cut('ab👩‍👩‍👧c', 3)).toBe('ab')
    expect(cut('short', 20)).toBe('short')
  })
  test('fields without a value are left out', () => {
    expect(
      fieldLines([
        ['app', 'news'],
        ['breaker', undefined],
        ['channels', 12_000],
      ]),
    ).toEqual(['app       news', 'channels  12,000'])
  })
})
