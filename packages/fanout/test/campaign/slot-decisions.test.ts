import { expect, test } from 'vitest'
import { Campaigns } from '../../src/campaign/campaigns.ts'
import { Installation } from '../support/installation.ts'

test('each decision about the slot of a topic is reported once, and none for a campaign that starts later', async () => {
  const place = new Installation()
  const app = await place.app('news', 1)
  const decisions: string[] = []
  const campaigns = new Campaigns({
    ...place.deps,
    condition: async () => ({ effectiveRatePerSecond: 1, paused: false }),
    onSlot: (_app, decision) => decisions.push(decision),
  })
  const generic = { notification: { type: 'badge', value: 1 }, audience: { all: true }, update: 'generic' } as const
  await campaigns.create(app, generic, { idempotencyKey: 'one' })
  await campaigns.create(app, generic, { idempotencyKey: 'one' })
  await expect(campaigns.create(app, generic)).rejects.toThrow('has the slot')
  await campaigns.create(app, { ...generic, overLimit: 'coalesce' })
  await campaigns.create(app, { ...generic, overLimit: 'coalesce' })
  await campaigns.create(app, { ...generic, overLimit: 'drop' })
  await campaigns.create(app, { ...generic, startAt: new Date(Date.now() + 3_600_000).toISOString() })
  expect(decisions).toEqual(['taken', 'refused', 'deferred', 'coalesced', 'dropped'])
})
