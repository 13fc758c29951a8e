import type {
  AppId,
  CampaignId,
  CampaignRequest,
  CampaignState,
  HaltCause,
  SendWindow,
  Totals,
} from '@wns-fanout/domain'
import { campaignStates, classes, emptyTotals, haltCauses, isTerminal } from '@wns-fanout/domain'
import type { StoredWave } from '../waves.ts'
import type { CampaignField } from './fields.ts'
import { LedgerDamaged, LedgerVersion } from './errors.ts'

/** The ledger version that this process writes. */
export const LEDGER_VERSION = 1

/** The unchanging part of a campaign: the request with every default filled in. Holds the payload. */
export interface CampaignDefinition {
  readonly id: CampaignId
  readonly app: AppId
  readonly request: CampaignRequest
  readonly update: 'generic' | 'personalized'
  readonly topic: string
  readonly delivery: 'at-least-once' | 'at-most-once'
  readonly priority: 'urgent' | 'normal'
  /** Seconds within which a channel gets no second generic update; 0 if the guard does not apply. */
  readonly guardSeconds: number
  readonly maxAttempts: number
  readonly retentionDays: number
  /** False when the app has no raw gates. */
  readonly rawGates: boolean
  /** The daily hours in which it may post; absent where it may at any time. */
  readonly windows?: readonly SendWindow[] | undefined
  readonly parent?: CampaignId | undefined
  /** The id of the API key that made it. */
  readonly createdBy?: string | undefined
}

/** A campaign as the ledger holds it at one instant. */
export interface CampaignRecord {
  readonly definition: CampaignDefinition
  /** True if the definition was lost and `definition` is a stand-in: the payload and the audience are unknown. */
  readonly definitionLost?: boolean
  readonly state: CampaignState
  readonly reason?: string | undefined
  /** The cause of a halt that can be resumed: the state is `halted`, and recipients are pending. */
  readonly heldBy?: HaltCause | undefined
  readonly createdAtMs: number
  readonly startAtMs: number
  readonly startedAtMs?: number | undefined
  readonly expiresAtMs: number
  readonly finishedAtMs?: number | undefined
  /** Recipients of the audience when the campaign was created; undefined where they were not known. */
  readonly expectedRecipients?: number | undefined
  /** Null before the freeze. */
  readonly audienceSize: number | null
  readonly unknownChannels?: number | undefined
  /** Channels of the audience that are no recipients because they opted out in general; undefined before the freeze. */
  readonly optedOut?: number | undefined
  /** The same for others that opted out of the topic. */
  readonly optedOutOfTopic?: number | undefined
  /** Of a campaign at a local time: channels that are no recipients because the time of their zone had passed. */
  readonly localTimePassed?: number | undefined
  /** Of a campaign at a local time, after the freeze: its waves, and the pages of each in the bitmap. */
  readonly waves?: readonly StoredWave[] | undefined
  readonly wavePages?: number | undefined
  readonly totals: Totals
  readonly takeovers: number
  readonly cursor: number
  /** Recipients of the page at the cursor that are planned already. */
  readonly cursorBefore: number
  /** The turn of the next batch in the queue of the app; see `turns` of fanout. */
  readonly turn: number
  readonly planned: number
  readonly plannedRecipients: number
  readonly closed: number
  readonly planComplete: boolean
  /** The code of recipients that were never planned, once the campaign is stopped. */
  readonly stopCode?: number | undefined
  /** Recently settled recipients per second. */
  readonly ratePerSecond: number
  readonly canaryPassed: boolean
  /** Causes of a halt that its owner accepted. */
  readonly accepted: readonly HaltCause[]
  readonly redisNowMs: number
  /** The ledger version; undefined if it is missing. A process changes only campaigns of its own version. */
  readonly version: number | undefined
  /** What was found when the campaign was halted for damage; undefined again once it is repaired. */
  readonly damaged: string | undefined
  /** The first field that is not what a script could have left, if there is one. */
  readonly wrongField?: string
}

/**
 * Check a record before anything is done about its campaign. Throws `LedgerVersion` for a campaign of another version
 * and `LedgerDamaged` for a wrong field.
 */
export function assertIntact({ version, wrongField, redisNowMs, expiresAtMs }: CampaignRecord): void {
  if (version !== LEDGER_VERSION) {
    const found = `the campaign has ledger version ${version ?? 'missing'}, this process writes ${LEDGER_VERSION}`
    // No process has a campaign without a version. Past its end it counts as damaged, so that it is repaired.
    if (version === undefined && redisNowMs >= expiresAtMs) throw new LedgerDamaged(found)
    throw new LedgerVersion(found)
  }
  if (wrongField !== undefined) throw new LedgerDamaged(wrongField)
}

type CampaignFields = Readonly<Partial<Record<CampaignField, string>>>

/** The record of a campaign hash. Never throws: a wrong field becomes `wrongField`. */
export function recordOf(app: AppId, id: CampaignId, fields: CampaignFields, redisNowMs: number): CampaignRecord {
  let wrongField: string | undefined
  const wrong = (name: CampaignField): undefined => {
    wrongField ??= `the campaign: ${name} is ${fields[name] === undefined ? 'missing' : 'not valid'}`
  }
  const optional = (name: CampaignField): number | undefined => {
    const text = fields[name]
    if (text === undefined) return undefined
    return /^\d{1,15}$/.test(text) ? Number(text) : wrong(name)
  }
  const count = (name: CampaignField): number => optional(name) ?? 0
  const needed = (name: CampaignField): number => (fields[name] === undefined ? (wrong(name) ?? 0) : count(name))
  const { state } = fields
  if (!isState(state)) wrong('state')
  if (fields.id !== id) wrong('id')
  const definition = definitionOf(fields.definition, id)
  if (definition === null) wrong('definition')
  const totals = emptyTotals()
  let settled = 0
  for (const name of classes) {
    if (name === 'pending') continue
    totals[name] = count(`total:${name}`)
    settled += totals[name]
  }
  const audienceSize = optional('audienceSize') ?? null
  totals.pending = (audienceSize ?? 0) - settled
  const [planned, closed, cursor] = [needed('planned'), needed('closed'), needed('cursor')]
  const [createdAtMs, startAtMs, expiresAtMs] = [needed('createdAt'), needed('startAt'), needed('expiresAt')]
  const plannedRecipients = count('plannedRecipients')
  // A campaign past its end is expired even if no script has touched it since.
  const stored = isState(state) ? (!isTerminal(state) && redisNowMs >= expiresAtMs ? 'expired' : state) : 'paused'
  const heldBy = haltCauses.find((cause) => cause === fields.heldBy)
  if (fields.heldBy !== undefined && heldBy === undefined) wrong('heldBy')
  const isHeld = stored === 'paused' && heldBy !== undefined
  const accepted = haltCauses.filter((cause) => fields.accepted?.split(' ').includes(cause) === true)
  if (closed > planned) wrong('closed')
  if (plannedRecipients > (audienceSize ?? 0)) wrong('plannedRecipients')
  if (audienceSize !== null && settled > audienceSize) wrong('audienceSize')
  return {
    definition: definition ?? lostDefinition(app, id, fields),
    ...(definition === null ? { definitionLost: true } : {}),
    state: isHeld ? 'halted' : stored,
    ...(isHeld ? { heldBy } : {}),
    reason: fields.reason,
    createdAtMs,
    startAtMs,
    startedAtMs: optional('startedAt'),
    expiresAtMs,
    finishedAtMs: optional('finishedAt'),
    expectedRecipients: optional('expectedRecipients'),
    audienceSize,
    unknownChannels: optional('unknownChannels'),
    optedOut: optional('optedOut'),
    optedOutOfTopic: optional('optedOutOfTopic'),
    localTimePassed: optional('localTimePassed'),
    waves: fields.waves === undefined ? undefined : (wavesOf(fields.waves) ?? wrong('waves')),
    wavePages: optional('wavePages'),
    totals,
    takeovers: count('takeovers'),
    cursor,
    cursorBefore: count('cursorBefore'),
    turn: count('turn'),
    planned,
    plannedRecipients,
    closed,
    planComplete: fields.planComplete === '1',
    stopCode: optional('stopCode'),
    ratePerSecond: redisNowMs - (Number(fields.rateSince) || 0) < 10_000 ? Number(fields.ratePerSecond) || 0 : 0,
    canaryPassed: fields.canary === 'passed' || accepted.includes('canary'),
    accepted,
    redisNowMs,
    version: optional('version'),
    damaged: fields.damaged,
    ...(wrongField === undefined ? {} : { wrongField }),
  }
}

function isState(state: string | undefined): state is CampaignState {
  return (campaignStates as readonly unknown[]).includes(state)
}

function wavesOf(json: string): readonly StoredWave[] | undefined {
  try {
    const waves = JSON.parse(json) as readonly Partial<StoredWave>[]
    return Array.isArray(waves) && waves.every(isWave) ? (waves as readonly StoredWave[]) : undefined
  } catch {
    return undefined
  }
}

function isWave({ dueAtMs, recipients, timeZones }: Partial<StoredWave>): boolean {
  return Number.isSafeInteger(dueAtMs) && Number.isSafeInteger(recipients) && Array.isArray(timeZones)
}

function definitionOf(json: string | undefined, id: CampaignId): CampaignDefinition | null {
  try {
    const definition = JSON.parse(json ?? 'null') as Partial<CampaignDefinition> | null
    return definition?.id === id && isWhole(definition) ? definition : null
  } catch {
    return null
  }
}

/** Has it every field that readers rely on? A listing must not fail because of one campaign that lacks some. */
function isWhole(definition: Partial<CampaignDefinition>): definition is CampaignDefinition {
  const { app, request, update, topic, delivery, priority, guardSeconds, maxAttempts, retentionDays } = definition
  return (
    [app, update, topic, delivery, priority, request?.notification?.type].every((text) => typeof text === 'string') &&
    [guardSeconds, maxAttempts, retentionDays].every((count) => typeof count === 'number') &&
    typeof request?.audience === 'object'
  )
}

/** A stand-in for a lost definition. Its campaign is halted, so nothing is sent by it. */
function lostDefinition(app: AppId, id: CampaignId, fields: CampaignFields): CampaignDefinition {
  return {
    id,
    app,
    request: { notification: { type: 'raw', text: '-' }, audience: { channels: [] } },
    update: 'generic',
    topic: fields.topic ?? '',
    // The cautious choice: recipients that may have been posted to are in doubt.
    delivery: 'at-most-once',
    priority: 'normal',
    guardSeconds: 0,
    maxAttempts: 1,
    retentionDays: 7,
    rawGates: true,
  }
}
