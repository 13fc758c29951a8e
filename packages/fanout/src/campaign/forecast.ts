import type { AppSettings, CampaignId, CampaignRequest, Estimate, PreparedMessage } from '@wns-fanout/domain'
import { bodyFor, campaignWeight, lackingFor, prepareMessage } from '@wns-fanout/domain'
import type {
  CampaignDefinition,
  CampaignRecord,
  DividedAudience,
  StoredRecipient,
  StoredWave,
} from '@wns-fanout/state'
import { countWaves, recipientPages, timeZonesOf } from '@wns-fanout/state'
import { definitionOf } from './definition.ts'
import { slotMs } from './guideline.ts'
import { hasWaves, zoneGroups } from './local-waves.ts'
import { secondsLeft, senderOf, sharedRates } from './progress.ts'
import { instantMs } from './request-errors.ts'
import { storedVariables } from '../stored-variables.ts'
import type { AppCondition } from './view.ts'
import { shownWave } from './view.ts'
import type { AudienceDeps, EvaluatedAudience } from './warnings.ts'
import { asField, warningsFor } from './warnings.ts'

/** What a campaign would do, without the answer of the token service. */
export type Forecast = Omit<Estimate, 'credentials'>

/** Pages whose recipients are filled in: enough for a share, without reading the variables of millions. */
const CONTENT_PAGES = 128

/**
 * What would become of a campaign, by what is stored now. Stores nothing. Recipients and opt-outs are counted as the
 * campaign itself would count them.
 *
 * @param known its audience, evaluated now
 * @param sending records of the campaigns of the app that are sending
 */
export async function forecast(
  deps: AudienceDeps,
  app: AppSettings,
  request: CampaignRequest,
  known: EvaluatedAudience,
  condition: AppCondition,
  sending: readonly CampaignRecord[],
): Promise<Forecast> {
  const definition = definitionOf(app, request, '' as CampaignId)
  const [bits, nowMs] = await Promise.all([deps.audiences.read(known.key), deps.campaigns.redisNowMs()])
  const startMs = Math.max(nowMs, instantMs(request.startAt) ?? nowMs)
  const message = prepareMessage(request.notification, request)
  const counts = new Counts(message, definition.guardSeconds, Math.floor(startMs / 1000))
  const wanted = {
    bits,
    type: message.type,
    everyPage: definition.guardSeconds > 0 || message.type === 'raw',
    contentPages: message.isPersonalized ? CONTENT_PAGES : 0,
  }
  for await (const page of recipientPages(deps.redis, deps.keys, app.app, wanted))
    for (const recipient of page) counts.add(recipient)
  const slot = await slotAt(deps, definition, known.key, startMs)
  const { suppressed, gated, contents } = counts
  const divided = await wavesOf(deps, definition, bits, startMs)
  const audienceSize = known.size - (divided?.leftOut ?? 0)
  const duration = durationOf(definition, audienceSize, audienceSize - suppressed - gated, condition, sending)
  return {
    audienceSize,
    optedOut: known.optedOut ?? 0,
    optedOutOfTopic: known.optedOutOfTopic ?? 0,
    suppressed,
    gated,
    ...(message.isPersonalized ? { contents } : {}),
    ...(slot === undefined ? {} : { slot }),
    ...(divided === undefined ? {} : { waves: divided.waves.map(shownWave), localTimePassed: divided.leftOut }),
    estimate: { ...duration, seconds: Math.max(duration.seconds, lastWaveSeconds(divided?.waves, startMs)) },
    ...asField(warningsFor(request, known)),
  }
}

/** The waves of a campaign; undefined for one that has none. */
async function wavesOf(
  { redis, keys }: AudienceDeps,
  definition: CampaignDefinition,
  bits: Uint8Array,
  startMs: number,
): Promise<Pick<DividedAudience, 'waves' | 'leftOut'> | undefined> {
  if (!hasWaves(definition)) return undefined
  const { app } = definition
  return countWaves(redis, keys, app, bits, zoneGroups(definition, await timeZonesOf(redis, keys, app), startMs))
}

function lastWaveSeconds(waves: readonly StoredWave[] | undefined, startMs: number): number {
  return Math.ceil(((waves?.at(-1)?.dueAtMs ?? startMs) - startMs) / 1000)
}

/** Each recipient counts once, by the order in which a worker decides: the gate, the guard, then the content. */
class Counts {
  suppressed = 0
  gated = 0
  readonly contents = { examined: 0, lackingVariables: 0, tooLarge: 0, invalid: 0 }
  readonly #message: PreparedMessage
  readonly #guardSeconds: number
  readonly #startSeconds: number

  constructor(message: PreparedMessage, guardSeconds: number, startSeconds: number) {
    this.#message = message
    this.#guardSeconds = guardSeconds
    this.#startSeconds = startSeconds
  }

  add({ stampSeconds, isGated, variables, locale = '', tags = [] }: StoredRecipient): void {
    if (isGated && this.#message.type === 'raw') this.gated += 1
    else if (stampSeconds !== 0 && this.#startSeconds - stampSeconds < this.#guardSeconds) this.suppressed += 1
    else if (variables !== undefined) this.#fillIn(variables, locale, tags)
  }

  #fillIn(text: string, locale: string, tags: readonly string[]): void {
    const { contents } = this
    contents.examined += 1
    const vars = storedVariables(text)
    if (vars === undefined) {
      contents.invalid += 1
      return
    }
    if (lackingFor(this.#message, vars, locale, tags).length > 0) contents.lackingVariables += 1
    const rendered = bodyFor(this.#message, vars, locale === '' ? undefined : locale, tags)
    if (rendered.ok || rendered.reason === 'missing-variable') return
    if (rendered.reason === 'too-large') contents.tooLarge += 1
    else contents.invalid += 1
  }
}

/** The campaign that this one would wait for at an instant, and until when. */
async function slotAt(
  { campaigns }: AudienceDeps,
  definition: CampaignDefinition,
  reachKey: string,
  atMs: number,
): Promise<Estimate['slot']> {
  const intervalMs = slotMs(definition)
  if (intervalMs === 0) return undefined
  const taken = await campaigns.slotOf(definition, intervalMs, reachKey)
  if (taken === undefined || taken.untilMs <= atMs) return undefined
  return { campaign: taken.campaign, until: new Date(taken.untilMs).toISOString() }
}

function durationOf(
  { priority, request: { pace } }: CampaignDefinition,
  audienceSize: number,
  posts: number,
  { effectiveRatePerSecond }: AppCondition,
  sending: readonly CampaignRecord[],
): Estimate['estimate'] {
  const others = sending.map((record) => senderOf(record))
  const own = { pending: posts, weight: campaignWeight[priority], maxRate: Infinity }
  const paced = { ...own, maxRate: pace === undefined ? Infinity : audienceSize / pace.overSeconds }
  const seconds = Math.ceil(secondsLeft([own, ...others], effectiveRatePerSecond))
  const rate = sharedRates([paced, ...others], effectiveRatePerSecond)[0] ?? 0
  return { seconds: Math.max(seconds, pace?.overSeconds ?? 0), ratePerSecond: Math.round(rate * 10) / 10 }
}
