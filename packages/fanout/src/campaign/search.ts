import type { AppId, Campaign, CampaignId, CampaignState } from '@wns-fanout/domain'
import type { CampaignIndexEntry, CampaignRecord } from '@wns-fanout/state'
import { campaignIdOf } from './campaign-id.ts'

export interface CampaignQuery {
  /** `open`: all that are not finished. */
  readonly state?: CampaignState | 'open' | undefined
  /** Part of the name, in any case of letters. */
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly createdAfterMs?: number | undefined
  readonly createdBeforeMs?: number | undefined
  /** Only the campaign that this key made in an app. */
  readonly idempotencyKey?: string | undefined
  /** The `next` of the page before. */
  readonly after?: string | undefined
  readonly limit: number
}

export interface SearchDeps {
  readonly campaigns: {
    newest(app: AppId, untilMs: number, count: number): Promise<CampaignIndexEntry[]>
    active(app: AppId): Promise<CampaignId[]>
  }
  /** Null for a campaign that is gone or cannot be read. */
  readonly record: (app: AppId, id: CampaignId) => Promise<CampaignRecord | null>
  readonly show: (app: AppId, record: CampaignRecord) => Promise<Campaign>
}

interface Candidate extends CampaignIndexEntry {
  readonly app: AppId
}

/** Apps that are read at the same time. */
const APPS_AT_ONCE = 50
/** Campaigns that one page looks at, however few of them match. */
const MAX_LOOKED_AT = 2000

/**
 * Campaigns of several apps, newest first. A page may have fewer than `limit` although `next` is there: a filter that
 * matches little ends it early.
 */
export async function searchCampaigns(
  deps: SearchDeps,
  apps: readonly AppId[],
  query: CampaignQuery,
): Promise<{ readonly items: Campaign[]; readonly next?: string }> {
  const items: Campaign[] = []
  let after = positionOf(query)
  for (let looked = 0; looked < MAX_LOOKED_AT;) {
    const candidates = (await candidatesOf(deps, apps, query, after)).slice(0, query.limit)
    for (const candidate of candidates) {
      if (query.createdAfterMs !== undefined && candidate.createdAtMs < query.createdAfterMs) return { items }
      after = candidate
      const record = await deps.record(candidate.app, candidate.id)
      if (record === null || !matches(record, query)) continue
      items.push(await deps.show(candidate.app, record))
      if (items.length === query.limit) return { items, next: textOf(after) }
    }
    if (candidates.length < query.limit) return { items }
    looked += candidates.length
  }
  return { items, ...(after === undefined ? {} : { next: textOf(after) }) }
}

/** The next campaigns behind a position: at least `limit`, unless there are fewer. */
async function candidatesOf(
  deps: SearchDeps,
  apps: readonly AppId[],
  query: CampaignQuery,
  after: Position | undefined,
): Promise<Candidate[]> {
  const found: Candidate[] = []
  for (let at = 0; at < apps.length; at += APPS_AT_ONCE) {
    const some = apps.slice(at, at + APPS_AT_ONCE)
    const lists = await Promise.all(some.map((app) => entriesOf(deps, app, query, after)))
    found.push(...lists.flatMap((list, index) => list.map((entry) => ({ ...entry, app: some[index] as AppId }))))
  }
  return found
    .filter((entry) => after === undefined || isOlder(entry, after))
    .toSorted((a, b) => (isOlder(a, b) ? 1 : -1))
}

async function entriesOf(
  { campaigns, record }: SearchDeps,
  app: AppId,
  query: CampaignQuery,
  after: Position | undefined,
): Promise<CampaignIndexEntry[]> {
  const untilMs = after?.createdAtMs ?? Number.MAX_SAFE_INTEGER
  const ids =
    query.idempotencyKey !== undefined
      ? [campaignIdOf(app, query.idempotencyKey)]
      : query.state === 'open'
        ? await campaigns.active(app)
        : undefined
  // One more, which may be the last one of the page before.
  if (ids === undefined) return campaigns.newest(app, untilMs, query.limit + 1)
  const records = await Promise.all(ids.map((id) => record(app, id)))
  return records.flatMap((found) =>
    found === null ? [] : [{ id: found.definition.id, createdAtMs: found.createdAtMs }],
  )
}

function matches(record: CampaignRecord, query: CampaignQuery): boolean {
  const { state, name, topic, createdAfterMs, createdBeforeMs } = query
  const { definition, createdAtMs } = record
  if (state === 'open' ? record.finishedAtMs !== undefined : state !== undefined && record.state !== state) return false
  if (topic !== undefined && definition.topic !== topic) return false
  if (createdAfterMs !== undefined && createdAtMs < createdAfterMs) return false
  if (createdBeforeMs !== undefined && createdAtMs >= createdBeforeMs) return false
  return name === undefined || definition.request.name?.toLowerCase().includes(name.toLowerCase()) === true
}

/** Where a page starts: behind the campaign with this time and id. */
interface Position {
  readonly createdAtMs: number
  readonly id: string
}

function positionOf({ after, createdBeforeMs }: CampaignQuery): Position | undefined {
  const [, ms, id] = /^(\d{1,16})-([a-z0-9-]{1,40})$/.exec(after ?? '') ?? []
  if (ms !== undefined && id !== undefined) return { createdAtMs: Number(ms), id }
  // No id is before the empty one.
  return createdBeforeMs === undefined ? undefined : { createdAtMs: createdBeforeMs, id: '' }
}

function textOf({ createdAtMs, id }: Position): string {
  return `${createdAtMs}-${id}`
}

/** Newest first; of the same millisecond, the ids in the reverse order of letters, as Redis returns them. */
function isOlder(a: Position, b: Position): boolean {
  return a.createdAtMs === b.createdAtMs ? a.id < b.id : a.createdAtMs < b.createdAtMs
}
