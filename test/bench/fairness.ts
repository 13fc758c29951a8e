import { startTestStack } from '../support/stack.ts'
import { benchSharing } from './sharing.ts'
import { follow, isFinished, prepareApp, rounded, sidOf, tileToAll } from './support/campaign.ts'

export interface FairnessBenchOptions {
  readonly recipients: number
  /** Small and urgent campaigns beside a broadcast of the same app, at each rate. */
  readonly tries: number
  readonly say: (line: string) => void
}

const SMALL = 1000
const WORKERS = 4

/**
 * An app's huge campaign is under way. Another app's campaign to a thousand, and then an urgent one of the same app to
 * a thousand others, come in between: how long they take, and how far the huge one gets meanwhile. Then the campaigns
 * of one app share its rate; see `Sharing`.
 */
export async function benchFairness({
  recipients,
  tries,
  say,
}: FairnessBenchOptions): Promise<Record<string, unknown>> {
  await using stack = await startTestStack()
  await Promise.all(Array.from({ length: WORKERS }, () => stack.startWorker({ WNS_FANOUT_LANES: '64' })))
  // Rates above what this machine reaches: lanes and CPU are what the campaigns have to share.
  const huge = { app: 'huge', client: sidOf(1), ratePerSecond: 20_000 }
  await prepareApp(stack, { ...huge, channels: recipients })
  await prepareApp(stack, { app: 'small', client: sidOf(2), ratePerSecond: 20_000, channels: SMALL })
  say(`app huge has ${recipients} channels, app small ${SMALL}`)
  const first = await stack.api.createCampaign('huge', tileToAll)
  const settledOf = async (): Promise<number> => {
    const { totals } = await stack.api.campaign(first.id)
    return recipients - totals.pending
  }
  await follow(stack, first.id, ({ totals }) => totals.accepted > recipients / 100, { everyMs: 50 })

  const interlude = async (send: () => Promise<{ readonly id: string }>): Promise<Interlude> => {
    const before = await settledOf()
    const startedAt = performance.now()
    const { id } = await send()
    const { totals } = await follow(stack, id, isFinished, { everyMs: 20 })
    const ms = Math.round(performance.now() - startedAt)
    const passed = (await settledOf()) - before
    if (totals.accepted !== SMALL) throw new Error(`not all were accepted: ${JSON.stringify(totals)}`)
    return { ms, passed, shareOfRest: rounded(passed / (recipients - before)) }
  }
  const otherApp = await interlude(() => stack.api.createCampaign('small', tileToAll))
  say(`another app: ${JSON.stringify(otherApp)}`)
  const urgent = await interlude(() =>
    stack.api.createCampaign('huge', {
      // Another type, to which the guard on tiles does not apply.
      notification: { type: 'badge', value: 7 },
      audience: { channels: Array.from({ length: SMALL }, (_, n) => `device-${recipients - 1 - n}`) },
      priority: 'urgent',
    }),
  )
  say(`urgent, same app: ${JSON.stringify(urgent)}`)
  const { totals } = await stack.api.campaign(first.id)
  await stack.api.cancelCampaign(first.id)
  await follow(stack, first.id, isFinished, { everyMs: 100 })
  const sharing = await benchSharing(stack, { recipients, tries, say })
  return {
    bench: 'fairness',
    workers: WORKERS,
    recipients,
    small: SMALL,
    otherApp,
    urgent,
    stillPending: totals.pending,
    tries,
    ...sharing,
  }
}

interface Interlude {
  readonly ms: number
  /** Recipients that the huge campaign settled meanwhile, and their share of those that were left. */
  readonly passed: number
  readonly shareOfRest: number
}
