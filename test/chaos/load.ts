import { eventually } from '@wns-fanout/testing'
import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { Campaign, CampaignRequest, Delivery } from '@wns-fanout/domain'
import type { Dice } from './random.ts'
import type { AnySystem } from './system.ts'

/** A campaign of a chaos run with its request and its audience. */
export interface ChaosCampaign {
  readonly app: string
  readonly id: string
  readonly delivery: Delivery
  /** The behavior of the nth channel of the app. */
  readonly behaviours: readonly string[]
}

const packageSid = 'S-1-15-2-71-72-73-74-75-76-77'
const hosts = ['db5p', 'am3p', 'wns2-by3p', 'hk2']

/** Of every app, if nothing else is asked for. */
export const appSettings = {
  credentials: { kind: 'store', packageSid, clientSecret: 'chaos-secret' },
  ratePerSecond: 3000,
  burst: 300,
  maxAttempts: 4,
} as const

export function tokenOf(app: string, n: number, behaviour: string): string {
  return `${behaviour}.any.${app}-${n}`
}

/** Number of channels per thousand that do not simply accept. */
const oddChannels: readonly (readonly [behaviour: string, perMille: number])[] = [
  ['dropped', 5],
  ['offline', 5],
  ['gone', 5],
  ['unknown', 2],
  ['flaky-30', 10],
  ['slow-300', 10],
  ['throttled', 1],
  ['unavailable', 1],
  ['error', 1],
  ['forbidden', 1],
  ['reset', 1],
  ['hangup', 1],
  ['cut', 1],
]

export function mixedBehaviours(count: number, random: Dice): string[] {
  return Array.from({ length: count }, () => {
    let left = random.next() * 1000
    for (const [behaviour, perMille] of oddChannels) {
      left -= perMille
      if (left < 0) return behaviour
    }
    return 'ok'
  })
}

const INSIST_MS = 60_000

/**
 * Repeat what an outage of Redis may refuse; every call that is repeated here is harmless to repeat. Rejects when the
 * system stops.
 */
export async function insist<T>(
  { stopping }: Pick<AnySystem, 'stopping'>,
  what: string,
  act: () => Promise<T>,
): Promise<T> {
  const deadlineMs = performance.now() + INSIST_MS
  for (;;) {
    stopping.throwIfAborted()
    try {
      return await act()
    } catch (error) {
      if (performance.now() > deadlineMs) throw new Error(`${what} did not work for ${INSIST_MS} ms`, { cause: error })
      await wait(100, undefined, { signal: stopping })
    }
  }
}

/** Register an app whose nth channel, counted from 0 in the order of registration, is `d<n>` and behaves as asked. */
export async function registerChannels(
  system: AnySystem,
  app: string,
  behaviours: readonly string[],
  settings: Record<string, unknown> = {},
  tags: readonly string[] = [],
): Promise<void> {
  const { api } = system
  await insist(system, `registering app ${app}`, () => api.putApp(app, { ...appSettings, ...settings }))
  await insist(system, `importing the channels of ${app}`, async () => {
    const lines = Readable.from(importLines(app, behaviours, tags))
    const { rejected, moved } = await api.importChannels(app, lines, { type: 'ndjson' })
    if (rejected + moved > 0) throw new Error(`${rejected} channels were rejected, ${moved} lost their URI`)
  })
}

export function uriOf(app: string, n: number, behaviour: string): string {
  return `https://${hosts[n % hosts.length]}.notify.windows.com/?token=${tokenOf(app, n, behaviour)}`
}

/** A thousand at a time: there may be a million. */
function* importLines(app: string, behaviours: readonly string[], tags: readonly string[]): Generator<string> {
  for (let from = 0; from < behaviours.length; from += 1000)
    yield behaviours
      .slice(from, from + 1000)
      .map((behaviour, at) => {
        const n = from + at
        return `${JSON.stringify({ channel: `d${n}`, uri: uriOf(app, n, behaviour), tags })}\n`
      })
      .join('')
}

/** Create a campaign to all channels of an app, once, however often the API has to be asked. */
export async function launchCampaign(
  system: AnySystem,
  app: string,
  behaviours: readonly string[],
  delivery: Delivery,
  request: Partial<CampaignRequest> = {},
): Promise<ChaosCampaign> {
  const whole: CampaignRequest = {
    notification: { type: 'tile', content: { medium: { lines: [`Hello from ${app}`] } } },
    audience: { all: true },
    delivery,
    ...request,
  }
  const idempotencyKey = `${app}-${request.topic ?? ''}-${delivery}`
  const create = () => system.api.createCampaign(app, whole, { idempotencyKey })
  const { id } = await insist(system, `creating a campaign of ${app}`, create)
  return { app, id, delivery, behaviours }
}

/** The campaign once nothing of it is pending any more. */
export function finishedCampaign({ api, stopping }: AnySystem, id: string, timeoutMs: number): Promise<Campaign> {
  return eventually(
    `campaign ${id} to finish`,
    async () => {
      const campaign = await api.campaign(id)
      return campaign.finishedAt === undefined ? undefined : campaign
    },
    timeoutMs,
    stopping,
  )
}

/** Resolves when this many recipients are settled, or the campaign has ended. */
export function settledCount(
  { api, stopping }: AnySystem,
  id: string,
  atLeast: number,
  timeoutMs = 60_000,
): Promise<number> {
  return eventually(
    `${atLeast} recipients of ${id} to be settled`,
    async () => {
      const { totals, audienceSize, finishedAt } = await api.campaign(id)
      const settled = (audienceSize ?? 0) - totals.pending
      return audienceSize !== null && (settled >= atLeast || finishedAt !== undefined) ? settled : undefined
    },
    timeoutMs,
    stopping,
  )
}
