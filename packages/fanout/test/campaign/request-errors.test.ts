import type { AppId, CampaignRequest } from '@wns-fanout/domain'
import { appSettings } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { rejectErrors, requestErrors, timeErrors } from '../../src/campaign/request-errors.ts'

const NOW_MS = Date.parse('2026-03-01T12:00:00Z')

describe('the times of a request', () => {
  test.each([
    ['no times', {}],
    ['a start later today', { startAt: '2026-03-01T18:00:00Z' }],
    ['a start that is less than 24 hours ago', { startAt: '2026-02-28T12:00:01Z' }],
    ['an expiry in one second', { expiresAt: '2026-03-01T12:00:01Z' }],
    ['an expiry seven days after now', { expiresAt: '2026-03-08T12:00:00Z' }],
    ['an expiry seven days after the start', { startAt: '2026-04-01T00:00:00Z', expiresAt: '2026-04-08T00:00:00Z' }],
    ['an old start with a later expiry', { startAt: '2026-02-27T12:00:00Z', expiresAt: '2026-03-01T13:00:00Z' }],
  ])('%s: no error', (_, times) => {
    expect(timeErrors(times, NOW_MS)).toEqual([])
  })

  test.each([
    ['a start 24 hours ago', { startAt: '2026-02-28T12:00:00Z' }, 'startAt', 'more than 24 hours ago'],
    ['a start in the year 9999', { startAt: '9999-12-31T00:00:00Z' }, 'startAt', 'before the year 10000'],
    ['an expiry now', { expiresAt: '2026-03-01T12:00:00Z' }, 'expiresAt', 'in the future'],
    [
      'an expiry at the start',
      { startAt: '2026-03-02T00:00:00Z', expiresAt: '2026-03-02T00:00:00Z' },
      'expiresAt',
      'after startAt',
    ],
    ['an expiry after seven days', { expiresAt: '2026-03-08T12:00:01Z' }, 'expiresAt', 'at most 7 days'],
  ])('%s: %s is out of range', (_, times, field, detail) => {
    expect(timeErrors(times, NOW_MS)).toEqual([
      { path: [field], code: 'out-of-range', detail: expect.stringContaining(detail) as string },
    ])
  })
})

const app = appSettings('news' as AppId, {
  credentials: { kind: 'entra', tenantId: 'contoso.example', clientId: 'c', clientSecret: 'secret' },
})
function toast(line: string): CampaignRequest {
  return { notification: { type: 'toast', content: { title: line } }, audience: { all: true } }
}

describe('a request', () => {
  test('without errors has none', () => {
    expect(requestErrors(app, toast('Hello'), NOW_MS)).toEqual([])
  })

  test('shows every error at once, those of the notification under its path', () => {
    const errors = requestErrors(
      app,
      { notification: { type: 'toast', xml: '<toast>' }, audience: { all: true }, expiresAt: '2026-01-01T00:00:00Z' },
      NOW_MS,
    )
    expect(errors.map(({ path }) => path[0])).toEqual(expect.arrayContaining(['notification', 'expiresAt']))
    expect(errors.find(({ path }) => path[0] === 'notification')?.path[1]).toBe('xml')
  })

  test.each([
    ['with a placeholder', toast('Hello {{vars.name}}')],
    [
      'to at most 100 listed channels',
      { ...toast('Hello'), audience: { channels: Array(100).fill('one') as string[] } },
    ],
  ])('for a personalized update %s is accepted', (_, request) => {
    expect(requestErrors(app, { ...request, update: 'personalized' }, NOW_MS)).toEqual([])
  })

  test.each([
    ['to all without a placeholder', toast('Hello')],
    ['to 101 listed channels', { ...toast('Hello'), audience: { channels: Array(101).fill('one') as string[] } }],
  ])('for a personalized update %s is rejected', (_, request) => {
    const [error, ...others] = requestErrors(app, { ...request, update: 'personalized' }, NOW_MS)
    expect([error?.path, error?.code, others]).toEqual([['update'], 'not-personalized', []])
  })

  test('for a personalized update without a placeholder is accepted of an app that may exceed the guideline', () => {
    const faster = { ...app, allowFasterThanGuideline: { reason: 'weather warnings' } }
    expect(requestErrors(faster, { ...toast('Hello'), update: 'personalized' }, NOW_MS)).toEqual([])
  })
})

test('one error becomes the text of the problem, more are counted', () => {
  const errors = ['first', 'second', 'third'].map((detail) => ({ path: [], code: 'invalid', detail }))
  expect(() => rejectErrors([])).not.toThrow()
  expect(() => rejectErrors(errors.slice(0, 1))).toThrow('first')
  expect(() => rejectErrors(errors)).toThrow('first (and 2 more)')
})
