import type { AppId, CampaignId } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { assertIntact, recordOf } from '../src/ledger/record.ts'

const app = 'news' as AppId
const id = 'c1' as CampaignId
const definition = {
  id,
  app,
  request: { notification: { type: 'tile', xml: '<tile/>' }, audience: { all: true } },
  update: 'generic',
  topic: 'default',
  delivery: 'at-least-once',
  priority: 'normal',
  guardSeconds: 1800,
  maxAttempts: 5,
  retentionDays: 7,
}

function recordWith(stored: unknown) {
  const fields = { version: '1', id, state: 'sending', planned: '0', closed: '0', cursor: '0' }
  const times = { createdAt: '1', startAt: '1', expiresAt: '9000000000000' }
  return recordOf(app, id, { ...fields, ...times, definition: JSON.stringify(stored) }, 2)
}

describe('the definition of a campaign', () => {
  test('with every field is intact', () => {
    const record = recordWith(definition)
    expect(record.definitionLost).toBeUndefined()
    expect(() => assertIntact(record)).not.toThrow()
  })

  test.each(Object.keys(definition))('without `%s` is lost, so no reader fails on it', (name) => {
    const record = recordWith({ ...definition, [name]: undefined })
    expect(record).toMatchObject({ definitionLost: true, definition: { id, app, request: { audience: {} } } })
    expect(() => assertIntact(record)).toThrow('the campaign: definition is not valid')
  })

  test.each([
    {},
    { notification: { type: 'tile' } },
    { audience: { all: true } },
    { notification: 'tile', audience: {} },
  ])('with the request %j is lost', (request) => {
    expect(recordWith({ ...definition, request })).toMatchObject({ definitionLost: true })
  })
})
