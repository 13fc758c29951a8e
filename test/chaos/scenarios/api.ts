import { eventually } from '@wns-fanout/testing'
import type { CrashPoint } from '@wns-fanout/fanout'
import { ApiError } from '@wns-fanout/client'
import type { CampaignRequest, Delivery } from '@wns-fanout/domain'
import type { ChaosCampaign } from '../load.ts'
import { finishedCampaign, registerChannels } from '../load.ts'
import type { ChaosSystem } from '../system.ts'
import type { Facts, Scenario } from './scenario.ts'
import { bothDeliveries, facts, must, settle } from './scenario.ts'

/** Each place in a request at which the API can die, and whether its campaign is stored by then. */
const points: readonly (readonly [point: CrashPoint, stored: boolean])[] = [
  ['campaign-admitted', false],
  ['campaign-stored', true],
  ['launch-asked', true],
  ['answer-kept', true],
]

/** A request whose API crashed holds its key for ten seconds; a repeat takes at most that longer. */
const REPEAT_LIMIT_MS = 15_000
const RECIPIENTS = 1500

/** What can happen to the API between a request and its answer. */
export const apiScenarios: readonly Scenario[] = points.flatMap(([point, stored]) =>
  bothDeliveries.flatMap((delivery) => [
    {
      id: `P2-${point}`,
      what: `the API dies at ${point}, the request is repeated, ${delivery}`,
      run: (system: ChaosSystem, app: string) => repeated(system, app, point, delivery),
    },
    ...(stored
      ? [
          {
            id: `P2-${point}`,
            what: `the API crashes at ${point} without a repeated request, ${delivery}`,
            run: (system: ChaosSystem, app: string) => forgotten(system, app, point, delivery),
          },
        ]
      : []),
  ]),
)

async function repeated(system: ChaosSystem, app: string, point: CrashPoint, delivery: Delivery): Promise<Facts> {
  const { behaviours, request } = await prepare(system, app, delivery)
  await dieWhileAsked(system, app, request, point)
  await system.apiProcess.start()
  const startedAtMs = performance.now()
  const { id } = await system.api.createCampaign(app, request, { idempotencyKey: 'the-morning' })
  const repeatMs = Math.round(performance.now() - startedAtMs)
  must(repeatMs < REPEAT_LIMIT_MS, `the repeat took ${repeatMs} ms`)
  const again = await system.api.createCampaign(app, request, { idempotencyKey: 'the-morning' })
  must(again.id === id, 'a second repeat is another campaign')
  return { repeatMs, ...(await one(system, { app, id, delivery, behaviours }, request)) }
}

async function forgotten(system: ChaosSystem, app: string, point: CrashPoint, delivery: Delivery): Promise<Facts> {
  const { behaviours, request } = await prepare(system, app, delivery)
  await dieWhileAsked(system, app, request, point)
  await system.apiProcess.start()
  const id = await eventually('the campaign to be listed', async () => (await campaignsOf(system, app))[0], 10_000)
  return one(system, { app, id, delivery, behaviours }, request)
}

async function prepare(
  system: ChaosSystem,
  app: string,
  delivery: Delivery,
): Promise<{ readonly behaviours: string[]; readonly request: CampaignRequest }> {
  const behaviours = Array.from({ length: RECIPIENTS }, () => 'ok')
  await registerChannels(system, app, behaviours)
  const content = { medium: { lines: [`Hello from ${app}`] } }
  return { behaviours, request: { notification: { type: 'tile', content }, audience: { all: true }, delivery } }
}

async function dieWhileAsked(
  { api, apiProcess }: ChaosSystem,
  app: string,
  request: CampaignRequest,
  point: CrashPoint,
): Promise<void> {
  await apiProcess.terminate()
  await apiProcess.start({ WNS_CRASH_AT: `${point}:1` })
  const answer = await api.createCampaign(app, request, { idempotencyKey: 'the-morning' }).catch(() => undefined)
  must(answer === undefined, `it answered though it was to die at ${point}`)
  const signal = await apiProcess.ended()
  must(signal === 'SIGKILL', `it ended by ${signal} instead of dying at ${point}`)
}

/** There is one campaign and it completes; it has the one slot of its topic. */
async function one(system: ChaosSystem, campaign: ChaosCampaign, request: CampaignRequest): Promise<Facts> {
  const { app, id } = campaign
  const refusal = await system.api.createCampaign(app, request).catch((error: unknown) => error)
  must(refusal instanceof ApiError && refusal.status === 409, 'another campaign of the topic was admitted')
  const slots = await system.look.zrange(system.keys.slots(app, 'tile', 'default'), '0', '-1')
  must(slots.length === 1 && slots[0] === id, `the slots of the topic are held by ${slots.join(' and ')}`)
  const verdict = await settle(system, campaign)
  const { state } = await finishedCampaign(system, id, 1000)
  must(state === 'completed', `it is ${state}`)
  const found = await campaignsOf(system, app)
  must(found.length === 1 && found[0] === id, `there are ${found.length} campaigns`)
  return facts(verdict)
}

async function campaignsOf({ api }: ChaosSystem, app: string): Promise<string[]> {
  return (await Array.fromAsync(api.campaigns(app))).map(({ id }) => id)
}
