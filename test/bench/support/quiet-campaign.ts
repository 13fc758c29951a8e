import { eventually } from '@wns-fanout/testing'
import type { AppId, CampaignId, CampaignRequest } from '@wns-fanout/domain'
import { CampaignStore, Keys } from '@wns-fanout/state'
import { Redis } from 'ioredis'
import type { TestStack } from '../../support/stack.ts'
import { simulatorStats } from '../../support/simulator.ts'
import { rounded } from './campaign.ts'
import type { CommandCount } from './commands.ts'
import { countCommands, OBSERVER } from './commands.ts'

/** What a campaign sent to Redis, per 1,000 posts, at the speed at which it went. */
export interface Commands {
  readonly per1000: number
  /** Permits, the watch of the apps and the like depend on the time and not on the posts. */
  readonly postsPerSecond: number
  readonly by: CommandCount
}

/** Campaigns whose end is seen without asking the API, so that nothing of the observer's is counted. */
export class QuietCampaigns {
  readonly #stack: TestStack
  readonly #redis: Redis
  readonly #campaigns: CampaignStore

  constructor(stack: TestStack) {
    this.#stack = stack
    this.#redis = new Redis(stack.redisUrl, { connectionName: OBSERVER })
    this.#campaigns = new CampaignStore(this.#redis, new Keys(stack.env['WNS_FANOUT_PREFIX'] ?? ''))
  }

  /** Send it to all of an app, which accept the first post, and wait for its end. @returns the seconds it took */
  async send(app: string, request: CampaignRequest, recipients: number): Promise<number> {
    await this.#stack.control('POST', '/v1/reset')
    const startedAtMs = performance.now()
    const { id } = await this.#stack.api.createCampaign(app, request)
    const { totals } = await eventually(
      `campaign ${id} to finish`,
      async () => {
        const record = await this.#campaigns.get(app as AppId, id as CampaignId)
        return record?.finishedAtMs === undefined ? undefined : record
      },
      300_000,
    )
    const seconds = (performance.now() - startedAtMs) / 1000
    const { posts } = await simulatorStats(this.#stack)
    if (totals.accepted !== recipients || posts !== recipients)
      throw new Error(`${recipients} were to be accepted at once, ${posts} posts: ${JSON.stringify(totals)}`)
    return seconds
  }

  /** The same, with the commands counted that all others send to Redis meanwhile. */
  async count(app: string, request: CampaignRequest, recipients: number): Promise<Commands> {
    let seconds = 0
    const commands = await countCommands(this.#stack.redisUrl, async () => {
      seconds = await this.send(app, request, recipients)
    })
    const by = Object.entries(commands)
      .map(([name, count]) => [name, rounded((count * 1000) / recipients)] as const)
      .toSorted(([, left], [, right]) => right - left)
    const all = Object.values(commands).reduce((sum, count) => sum + count, 0)
    return {
      per1000: rounded((all * 1000) / recipients),
      postsPerSecond: Math.round(recipients / seconds),
      by: Object.fromEntries(by),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis.quit()
  }
}
