import type { Estimate } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { forecastLines } from '../src/forecast-lines.ts'

const fine: Estimate = {
  audienceSize: 12_000,
  optedOutOfTopic: 0,
  optedOut: 0,
  suppressed: 0,
  gated: 0,
  credentials: { ok: true, code: 'ok', explanation: 'The token service accepts the credentials.' },
  estimate: { seconds: 40, ratePerSecond: 300 },
}

test('a dry run without findings shows its size and its time only', () => {
  expect(forecastLines(fine)).toEqual(['12,000 recipients; about 40.0 s at 300 posts per second. Nothing was sent.'])
})

test('a dry run shows each finding in a line', () => {
  const lines = forecastLines({
    ...fine,
    optedOut: 1,
    suppressed: 2,
    gated: 3,
    contents: { examined: 1000, lackingVariables: 4, tooLarge: 5, invalid: 6 },
    slot: { campaign: 'c1', until: '2026-03-01T12:00:00.000Z' },
    credentials: { ok: false, code: 'invalid_client', explanation: 'Check the secret.' },
  })
  expect(lines.slice(0, -1)).toEqual([
    'The credentials do not work: invalid_client. Check the secret.',
    'Campaign c1 has the slot of the topic until 2026-03-01T12:00:00.000Z.',
    '1 opted out and are no recipients.',
    '2 would be suppressed: notified within the guard interval.',
    '3 would be gated: the raw gate is closed.',
    '4 of 1,000 examined lack a variable that has no fallback.',
    '5 of 1,000 examined would be rejected: too large once filled in.',
    '6 of 1,000 examined would be rejected: invalid once filled in.',
  ])
})
