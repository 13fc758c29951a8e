import { describe, expect, test } from 'vitest'
import { audienceSchema, inputErrorsOf, isReplayed, replayReasons, replaySchema } from '@wns-fanout/domain'
import type { RecipientClass, ReplayFilter } from '@wns-fanout/domain'

function errorsOf(input: unknown, schema: typeof replaySchema | typeof audienceSchema = replaySchema): string[] {
  const { error } = schema.safeParse(input)
  return inputErrorsOf(error?.issues ?? [], schema).map(({ path, detail }) => `${path.join('.')}: ${detail}`)
}

describe('the filter of a replay', () => {
  test.each<ReplayFilter>([
    { classes: ['cancelled', 'rejected', 'gated', 'suppressed'] },
    { reasons: ['not-removed'] },
    { classes: ['failed', 'suppressed'], reasons: ['server-error', 'opt-out'] },
  ])('may be %j', (filter) => {
    expect(errorsOf(filter)).toEqual([])
    expect(errorsOf({ failedOf: 'c1', ...filter }, audienceSchema)).toEqual([])
  })

  test('that is unknown is rejected with the known classes and reasons, all faults at once', () => {
    const errors = errorsOf({ classes: ['failed', 'accepted', 'lost'], reasons: ['bored'] })
    expect(errors).toHaveLength(3)
    expect(errors[0]).toMatch(/^classes\.1: must be one of "dropped", "dead", .*"in_doubt"$/)
    expect(errors[2]).toMatch(/^reasons\.0: must be one of .*"not-removed"/)
  })

  test('that can match nothing is rejected, with what to change', () => {
    expect(errorsOf({})).toEqual(['classes: a replay needs classes, reasons or both'])
    const mismatch = { classes: ['failed'], reasons: ['opt-out', 'server-error', 'not-removed'] }
    const details = [
      'reasons.0: the reason opt-out belongs to suppressed; add the class, or leave out classes',
      'reasons.2: the reason not-removed belongs to cancelled and lapsed; add the class, or leave out classes',
    ]
    expect(errorsOf(mismatch)).toEqual(details)
    expect(errorsOf({ failedOf: 'c1', ...mismatch }, audienceSchema)).toEqual(details)
    expect(errorsOf({ classes: [] })).toEqual(['classes: must be at least 1 item'])
  })

  test('does not combine with includeInDoubt', () => {
    expect(errorsOf({ failedOf: 'c1', includeInDoubt: true, classes: ['failed'] }, audienceSchema)).toEqual([
      'includeInDoubt: includeInDoubt cannot be combined with classes or reasons; add in_doubt to classes',
    ])
  })
})

test('the reasons of a replay are those of settled recipients', () => {
  expect(replayReasons).toEqual(expect.arrayContaining(['server-error', 'guard-interval', 'raw-gate', 'not-removed']))
  expect(replayReasons).not.toEqual(expect.arrayContaining(['sending']))
})

test.each<[RecipientClass, string | undefined, ReplayFilter, boolean]>([
  ['failed', 'server-error', { classes: ['failed'] }, true],
  ['failed', 'server-error', { classes: ['lapsed'] }, false],
  ['failed', 'server-error', { reasons: ['server-error'] }, true],
  ['failed', 'no-answer', { classes: ['failed'], reasons: ['server-error'] }, false],
  ['accepted', undefined, { reasons: ['server-error'] }, false],
  ['cancelled', 'not-removed', { reasons: ['not-removed'] }, true],
  ['pending', 'not-removed', { reasons: ['not-removed'] }, true],
  ['pending', 'not-removed', { classes: ['cancelled'], reasons: ['not-removed'] }, false],
  ['pending', 'rotated', { reasons: ['rotated'] }, false],
  ['pending', undefined, { classes: ['cancelled'] }, false],
])('of a recipient that is %s (%s), a replay of %j is %s', (name, reason, filter, expected) => {
  expect(isReplayed({ class: name, reason }, filter)).toBe(expected)
})
