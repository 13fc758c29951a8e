import { setTimeout as wait } from 'node:timers/promises'
import { request } from 'undici'
import type { TestStack } from '../support/stack.ts'
import { startTestStack } from '../support/stack.ts'
import { clientCount } from '../support/simulator.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'

export interface StormBenchOptions {
  readonly seconds: number
  readonly recipients: number
  readonly say: (line: string) => void
}

const WORKERS = 8
const QUIET_RATE = 400
const stormy = { app: 'stormy', client: sidOf(1), ratePerSecond: 2000 }

/**
 * WNS answers 401 to everything that one app posts, whatever its token, while eight workers send for it and for another
 * app: what the first one costs WNS and the token service, and what the other one notices of it.
 */
export async function benchStorm({ seconds, recipients, say }: StormBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  await Promise.all(Array.from({ length: WORKERS }, () => stack.startWorker({ WNS_FANOUT_LANES: '16' })))
  const undisturbed = await quietCampaign(stack, 'before', sidOf(2))
  say(`undisturbed: ${undisturbed} posts a second`)

  await stack.control('POST', '/v1/reset')
  await prepareApp(stack, { ...stormy, channels: recipients })
  await stack.control('PUT', '/v1/faults', { clients: { [stormy.client]: { always: 401 } } })
  const startedAt = performance.now()
  const { id } = await stack.api.createCampaign(stormy.app, tileToAll)
  const beside = await quietCampaign(stack, 'beside', sidOf(3))
  say(`beside the storm: ${beside} posts a second`)
  const { breaker } = await stack.api.app(stormy.app)
  await wait(Math.max(0, seconds * 1000 - (performance.now() - startedAt)))
  const minutes = (performance.now() - startedAt) / 60_000
  const count = await clientCount(stack, stormy.client)
  const perRecipient = await postsOf(stack, stormy.app)
  const { state, reason, totals } = await stack.api.campaign(id)
  await stack.api.cancelCampaign(id)
  await follow(stack, id, isFinished)
  return {
    bench: 'storm',
    workers: WORKERS,
    minutes: rounded(minutes),
    posts: count.posts,
    recipientsPosted: perRecipient.length,
    postsPerRecipientAtMost: Math.max(0, ...perRecipient),
    tokenRequests: count.tokenRequests,
    // The first token is no refresh.
    refreshesPerMinute: rounded((count.tokenRequests - 1) / Math.ceil(minutes)),
    breaker,
    campaign: { state, reason, pending: totals.pending },
    quiet: { undisturbed, beside, ratio: rounded(beside / undisturbed) },
  }
}

/** Posts a second that the campaign of an app without trouble reaches. */
async function quietCampaign(stack: TestStack, app: string, client: string): Promise<number> {
  const channels = QUIET_RATE * 12
  await prepareApp(stack, { app, client, channels, ratePerSecond: QUIET_RATE })
  const startedAt = performance.now()
  const { id } = await stack.api.createCampaign(app, tileToAll)
  const { totals } = await follow(stack, id, isFinished, { everyMs: 50 })
  if (totals.accepted !== channels) throw new Error(`app ${app} lost a recipient: ${JSON.stringify(totals)}`)
  return Math.round((channels * 1000) / (performance.now() - startedAt))
}

/** How often each recipient of an app was posted to. */
async function postsOf({ simulator }: TestStack, app: string): Promise<number[]> {
  const text = await (await request(`${simulator.control}/v1/posts`)).body.text()
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { token: string; posts: number })
    .filter(({ token }) => token.includes(`.${app}-`))
    .map(({ posts }) => posts)
}
