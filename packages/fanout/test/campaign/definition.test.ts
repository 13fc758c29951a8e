import type { AppId, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { appSettings } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { definitionOf } from '../../src/campaign/definition.ts'

const app = appSettings('news' as AppId, {
  credentials: { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret: 'secret' },
  maxAttempts: 3,
  retentionDays: 9,
  rawGates: true,
})
const id = 'c1' as CampaignId
const badge: CampaignRequest = { notification: { type: 'badge', value: 1 }, audience: { all: true } }
const toast: CampaignRequest = { ...badge, notification: { type: 'toast', content: { title: 'Hello' } } }

test('a request gets its defaults from the app and from the type of its notification', () => {
  expect(definitionOf(app, badge, id)).toEqual({
    id: 'c1',
    app: 'news',
    request: badge,
    update: 'generic',
    topic: 'default',
    delivery: 'at-least-once',
    priority: 'normal',
    guardSeconds: 1860,
    maxAttempts: 3,
    retentionDays: 9,
    rawGates: true,
  })
  expect(definitionOf(app, toast, id).delivery).toBe('at-most-once')
})

test('the choices of a request come before the defaults', () => {
  const chosen = {
    update: 'personalized',
    topic: 'sport',
    delivery: 'at-least-once',
    priority: 'urgent',
  } as const satisfies Partial<CampaignRequest>
  expect(definitionOf(app, { ...toast, ...chosen }, id)).toMatchObject({ ...chosen, guardSeconds: 0 })
})

test('a campaign that repeats another one has it as its parent', () => {
  expect(definitionOf(app, badge, id, { parent: 'c0' as CampaignId }).parent).toBe('c0')
})
