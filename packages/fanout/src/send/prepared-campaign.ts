import type { AppId, CampaignId, PreparedMessage } from '@wns-fanout/domain'
import { prepareMessage } from '@wns-fanout/domain'
import type { BatchTerms, CampaignDefinition, CampaignRecord, CampaignStore } from '@wns-fanout/state'
import { LedgerDamaged } from '@wns-fanout/state'

/** What a worker needs of a campaign again and again. */
export interface PreparedCampaign {
  readonly definition: CampaignDefinition
  readonly message: PreparedMessage
  readonly terms: BatchTerms
  /** Posts a second for each of its batches, for a campaign that is spread over a time. */
  readonly paceRatePerSecond: number | undefined
  /** Its definition is lost, so nothing may be posted for it: its batches can only be closed. */
  readonly isLost: boolean
  /** Its waves, where it may post at some hours of the day only. */
  readonly windowed?: Pick<CampaignRecord, 'waves' | 'wavePages'> | undefined
}

/** Credit at most: small where an uncertain recipient is lost to the campaign, larger where it only costs a repeat. */
const windows = { 'at-least-once': 256, 'at-most-once': 64 } as const

const KEPT = 64

function prepareRecord(record: CampaignRecord): PreparedCampaign {
  const { definition, audienceSize, definitionLost = false, waves, wavePages } = record
  try {
    const prepared = prepareCampaign(definition, audienceSize ?? 0, definitionLost)
    return definition.windows === undefined ? prepared : { ...prepared, windowed: { waves, wavePages } }
  } catch (error) {
    // It was prepared once before it was admitted.
    throw new LedgerDamaged('the campaign: its definition is not what it has to be', { cause: error })
  }
}

export function prepareCampaign(
  definition: CampaignDefinition,
  audienceSize: number,
  isLost = false,
): PreparedCampaign {
  const message = prepareMessage(definition.request.notification, definition.request)
  const { pace } = definition.request
  return {
    definition,
    message,
    isLost,
    paceRatePerSecond: pace === undefined ? undefined : audienceSize / pace.overSeconds,
    terms: {
      window: windows[definition.delivery],
      delivery: definition.delivery,
      type: message.type,
      guardSeconds: definition.guardSeconds,
      maxAttempts: definition.maxAttempts,
      wantsVariables: message.isPersonalized,
      wantsLocales: message.variants.size > 0,
      ...(message.isPersonalized && message.values.valuesByTag !== undefined ? { wantsTags: true } : {}),
      ignoresGates: !definition.rawGates,
    },
  }
}

/** The campaigns a process is busy with. A definition never changes, so it is read once. */
export class PreparedCampaigns {
  readonly #store: CampaignStore
  readonly #known = new Map<CampaignId, Promise<PreparedCampaign | null>>()

  constructor(store: CampaignStore) {
    this.#store = store
  }

  get(app: AppId, id: CampaignId): Promise<PreparedCampaign | null> {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const prepared = this.#store.get(app, id).then((record) => (record === null ? null : prepareRecord(record)))
    this.#known.set(id, prepared)
    // Not kept when it failed or found nothing: the next one asks again.
    prepared.then((found) => found ?? this.#known.delete(id)).catch(() => this.#known.delete(id))
    if (this.#known.size > KEPT) this.#known.delete(this.#known.keys().next().value ?? id)
    return prepared
  }
}
