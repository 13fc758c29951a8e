import type { App, Campaign } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { stopsOf } from '../src/doctor/all-apps.ts'

const active = { app: 'news', state: 'active' } as unknown as App
const since = '2026-01-01T00:00:00.000Z'

function campaign(pending: number, fields: Partial<Campaign> = {}): Campaign {
  return { id: 'c1', totals: { pending }, ...fields } as unknown as Campaign
}

test('an app that sends has no finding', () => {
  expect(stopsOf(active, [campaign(30_000)], [])).toEqual([])
})

test('an open breaker fails, with its reason and the recipients that wait', () => {
  const app: App = { ...active, breaker: { reason: 'the secret is wrong', since } }
  expect(stopsOf(app, [campaign(30_000)], [])).toMatchObject([
    {
      state: 'fail',
      what: 'breaker of news',
      found: `open since ${since}: the secret is wrong; 30,000 recipients wait`,
      todo: 'wns-fanout doctor --app news',
    },
  ])
})

test('a paused app is a finding only while recipients wait', () => {
  const app: App = { ...active, state: 'paused' }
  expect(stopsOf(app, [], [])).toEqual([])
  expect(stopsOf(app, [campaign(5)], [])).toMatchObject([{ state: 'warn', found: 'paused, and 5 recipients wait' }])
})

test('a halted campaign that waits for its owner is a finding, and one that ended is none', () => {
  const ended = campaign(0, { reason: 'breaker', finishedAt: since })
  expect(stopsOf(active, [], [campaign(9, { reason: 'canary' }), ended])).toMatchObject([
    { state: 'warn', what: 'campaign c1 of news', found: 'halted (canary)' },
  ])
})
