import { classes } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { verdictOn } from '../src/doctor/probe.ts'

test('every class is explained, with a fix where an operator can do something', () => {
  for (const name of classes) {
    const verdict = verdictOn({ channel: 'device', class: name, posts: 1 }, {})
    expect(verdict.found.length, name).toBeGreaterThan(20)
    if (verdict.state === 'fail' && name !== 'cancelled') expect(verdict.todo, name).toBeDefined()
  }
})

test.for([
  ['accepted', undefined, 'ok', 'accepted'],
  ['dropped', undefined, 'ok', 'offline'],
  ['rejected', 'forbidden', 'fail', 'another app'],
  ['rejected', 'blocked', 'fail', 'blocks this sender'],
  ['suppressed', 'opt-out', 'warn', 'opted out'],
] as const)('%s %s is %s', ([name, reason, state, text]) => {
  const result = { channel: 'device', class: name, posts: 1, ...(reason === undefined ? {} : { reason }) }
  const verdict = verdictOn(result, {})
  expect(verdict.state).toBe(state)
  expect(verdict.found).toContain(text)
})
