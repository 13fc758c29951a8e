import type { AppId, CampaignId, Sample } from '@wns-fanout/domain'
import { pageOf, slotOf } from '@wns-fanout/domain'
import type { CampaignStore, Registry } from '@wns-fanout/state'

/** Most samples that are read. */
const MAX_SAMPLES = 10_000

/** The samples of a campaign: failures first. */
export async function samplesOf(
  { campaigns, registry }: { readonly campaigns: CampaignStore; readonly registry: Registry },
  app: AppId,
  id: CampaignId,
): Promise<Sample[]> {
  const stored = await campaigns.samples(app, id, MAX_SAMPLES)
  const found = stored.flatMap(sampleIn)
  const pages = new Map<number, Map<number, string>>()
  const samples: Sample[] = []
  for (const { ordinal, ...sample } of found) {
    const page = pageOf(ordinal)
    const ids = pages.get(page) ?? (await registry.channelIds(app, page))
    pages.set(page, ids)
    samples.push({ channel: ids.get(slotOf(ordinal)) ?? '', ...sample })
  }
  return samples.toSorted((one, other) => Number(isFailure(other)) - Number(isFailure(one)))
}

interface StoredSample {
  readonly ordinal: number
  readonly status: number | null
  readonly at: string
}

/** Unreadable samples are left out: the others still show the answers of WNS. */
function sampleIn(json: string): StoredSample[] {
  try {
    const sample = JSON.parse(json) as Partial<StoredSample> | null
    const isIntact = Number.isSafeInteger(sample?.ordinal) && typeof sample?.at === 'string'
    return isIntact ? [sample as StoredSample] : []
  } catch {
    return []
  }
}

function isFailure({ status }: Sample): boolean {
  return status === null || status >= 400
}
