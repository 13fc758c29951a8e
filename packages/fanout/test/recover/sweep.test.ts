import type { AppId, CampaignId } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { sweep } from '../../src/recover/sweep.ts'
import { Installation } from '../support/installation.ts'
import { newCampaign } from '../support/new-campaign.ts'

const app = 'news' as AppId
const id = 'c1' as CampaignId

/** A campaign of batches with one recipient each, and what the sweep of it does. */
class Stopped extends Installation {
  async campaign(batches: readonly ('open' | 'parked')[]): Promise<void> {
    await this.store.create(newCampaign(app, id))
    const count = batches.length
    const fields = { state: 'sending', audienceSize: count, planned: count, plannedRecipients: count, planComplete: 1 }
    await this.redis.hset(this.keys.campaign(app, id), fields)
    for (const [seq, state] of batches.entries()) {
      const held = { range: `${seq},${seq},1`, state, owner: 'other', fence: 1, dueAt: 1 }
      await this.redis.hset(this.keys.batch(app, id, seq), held)
      await this.redis.set(this.keys.vector(app, id, seq), '\0')
      await this.redis.sadd(this.keys.live(app, id), seq)
    }
  }

  async sweep(): Promise<void> {
    const emit = this.events.push.bind(this.events)
    await sweep({ campaigns: this.store, ledger: this.ledger, queues: this.queues, emit }, app, id)
  }

  cancel() {
    return this.store.steer(app, id, 'cancel')
  }

  /** Jobs of the app's batches, in any state. */
  async batchJobs(): Promise<number> {
    const found = await this.queues.restoreBatches(
      app,
      [0, 1].map((seq) => ({ campaign: id, seq, turn: 1, delayMs: 0 })),
    )
    return 2 - found.lost
  }
}

describe('the sweep of a campaign', () => {
  test('that may still send closes nothing', async () => {
    const place = new Stopped()
    await place.campaign(['parked'])
    await place.sweep()
    expect(await place.ledger.liveBatches({ app, campaign: id })).toEqual([0])
  })

  test('that was cancelled closes the batches without an owner, and ends it', async () => {
    const place = new Stopped()
    await place.campaign(['parked', 'parked'])
    await place.cancel()
    await place.sweep()
    expect(await place.store.get(app, id)).toMatchObject({ closed: 2, totals: { cancelled: 2, pending: 0 } })
    expect((await place.store.get(app, id))?.finishedAtMs).toBeDefined()
  })

  test('wakes the owners of batches that are open', async () => {
    const place = new Stopped()
    await place.campaign(['open', 'parked'])
    await place.cancel()
    await place.sweep()
    expect(await place.ledger.liveBatches({ app, campaign: id })).toEqual([0])
    expect(await place.batchJobs()).toBe(1)
    expect(place.events).toEqual([])
  })

  test('halts it as damaged when a batch without an owner cannot be closed, and settles every recipient then', async () => {
    const place = new Stopped()
    await place.campaign(['parked', 'parked'])
    await place.cancel()
    await place.redis.hset(place.keys.batch(app, id, 1), { range: 'nonsense' })
    await place.sweep()
    expect(place.events).toMatchObject([
      { type: 'ledger.damaged', found: 'the campaign: batches without an owner are left that cannot be closed' },
    ])
    await place.sweep()
    const record = await place.store.get(app, id)
    expect(record).toMatchObject({ totals: { pending: 0 } })
    expect(record?.finishedAtMs).toBeDefined()
    await place.sweep()
    expect((await place.store.get(app, id))?.totals).toEqual(record?.totals)
  })

  test('whose fields are damaged rejects, and repairs it once it is marked', async () => {
    const place = new Stopped()
    await place.campaign(['parked'])
    await place.cancel()
    await place.redis.hdel(place.keys.campaign(app, id), 'audienceSize')
    await expect(place.sweep()).rejects.toThrow('the campaign: audienceSize')
    await place.ledger.repair.markDamaged({ app, campaign: id }, 'the test')
    await place.sweep()
    expect((await place.store.get(app, id))?.finishedAtMs).toBeDefined()
  })
})
