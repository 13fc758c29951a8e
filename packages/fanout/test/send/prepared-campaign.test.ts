import type { AppId, CampaignId } from '@wns-fanout/domain'
import type { CampaignDefinition, CampaignRecord, CampaignStore } from '@wns-fanout/state'
import { LedgerDamaged } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { PreparedCampaigns, prepareCampaign } from '../../src/send/prepared-campaign.ts'

const app = 'news' as AppId
const definition: CampaignDefinition = {
  id: 'c1' as CampaignId,
  app,
  request: { notification: { type: 'raw', text: 'x' }, audience: { all: true } },
  update: 'generic',
  topic: 'default',
  delivery: 'at-least-once',
  priority: 'normal',
  guardSeconds: 1860,
  maxAttempts: 4,
  retentionDays: 7,
  rawGates: true,
}

function storeOf(get: (id: string) => unknown): CampaignStore {
  return { get: async (_app: AppId, id: CampaignId) => get(id) } as unknown as CampaignStore
}

test.each([
  { delivery: 'at-least-once', window: 256 },
  { delivery: 'at-most-once', window: 64 },
] as const)('a campaign $delivery has a window of $window', ({ delivery, window }) => {
  expect(prepareCampaign({ ...definition, delivery }, 10).terms).toEqual({
    window,
    delivery,
    type: 'raw',
    guardSeconds: 1860,
    maxAttempts: 4,
    wantsVariables: false,
    wantsLocales: false,
    ignoresGates: false,
  })
})

test('a pace divides the audience by its time', () => {
  const request = { ...definition.request, pace: { overSeconds: 60 } }
  expect(prepareCampaign({ ...definition, request }, 600).paceRatePerSecond).toBe(10)
  expect(prepareCampaign(definition, 600).paceRatePerSecond).toBeUndefined()
})

test('placeholders want variables, variants want locales', () => {
  const notification = { type: 'raw', text: 'Hi {{vars.n}}', variants: { de: { text: 'y' } } } as const
  const request = { ...definition.request, notification }
  expect(prepareCampaign({ ...definition, request }, 1).terms).toMatchObject({
    wantsVariables: true,
    wantsLocales: true,
  })
})

test('a campaign is read once, however many batches ask', async () => {
  let reads = 0
  const campaigns = new PreparedCampaigns(
    storeOf(() => {
      reads += 1
      return { definition, audienceSize: 5 } satisfies Partial<CampaignRecord>
    }),
  )
  const found = await Promise.all([1, 2, 3].map(() => campaigns.get(app, definition.id)))
  expect(new Set(found).size).toBe(1)
  expect(reads).toBe(1)
})

test('a campaign that was not there, or could not be read, is asked for again', async () => {
  const answers = [null, new Error('no Redis'), { definition, audienceSize: 5 }]
  const campaigns = new PreparedCampaigns(
    storeOf(() => {
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return answer
    }),
  )
  expect(await campaigns.get(app, definition.id)).toBeNull()
  await expect(campaigns.get(app, definition.id)).rejects.toThrow('no Redis')
  expect(await campaigns.get(app, definition.id)).toMatchObject({ isLost: false })
})

test('a definition that cannot be prepared is damage', async () => {
  const notification = { type: 'nonsense' } as unknown as CampaignDefinition['request']['notification']
  const broken = { ...definition, request: { ...definition.request, notification } }
  const campaigns = new PreparedCampaigns(storeOf(() => ({ definition: broken, audienceSize: 1 })))
  await expect(campaigns.get(app, definition.id)).rejects.toBeInstanceOf(LedgerDamaged)
})

test('the campaigns that were asked for first are dropped when there are more than sixty-four', async () => {
  const reads: string[] = []
  const campaigns = new PreparedCampaigns(
    storeOf((id) => {
      reads.push(id)
      return { definition, audienceSize: 1 }
    }),
  )
  for (let n = 0; n < 66; n += 1) await campaigns.get(app, `c${n}` as CampaignId)
  await campaigns.get(app, 'c65' as CampaignId)
  expect(reads).toHaveLength(66)
  await campaigns.get(app, 'c0' as CampaignId)
  expect(reads.at(-1)).toBe('c0')
  expect(reads).toHaveLength(67)
})
