import type { AppId, Ordinal, RecipientClass, Result } from '@wns-fanout/domain'
import {
  codeOf,
  meaningOf,
  NOT_REMOVED,
  ordinalsIn,
  PAGE_BYTES,
  PAGE_SIZE,
  pageOf,
  popcount,
  postsOf,
  slotOf,
} from '@wns-fanout/domain'
import type { CampaignRecord, Ledger, Registry, StoredBatch } from '@wns-fanout/state'

/** A recipient and its outcome so far. */
export interface Recipient {
  readonly ordinal: Ordinal
  readonly class: RecipientClass
  readonly status?: number
  readonly reason?: string
  /** Posts written; 7 means seven or more. */
  readonly posts: number
}

interface RecipientPage {
  readonly page: number
  readonly recipients: readonly Recipient[]
}

const BATCHES_AT_ONCE = 64
const STRETCH_BYTES = 1024 * PAGE_BYTES

/** Every recipient of a campaign, page by page in the order of the ordinals, wave by wave. */
export const recipients = async function* (
  ledger: Ledger,
  app: AppId,
  record: CampaignRecord,
): AsyncGenerator<RecipientPage> {
  let open: RecipientPage | undefined
  // Two batches can hold parts of the same page.
  for await (const part of parts(ledger, app, record)) {
    if (open?.page === part.page) open = { page: part.page, recipients: [...open.recipients, ...part.recipients] }
    else {
      if (open !== undefined) yield open
      open = part
    }
  }
  if (open !== undefined) yield open
}

const parts = async function* (ledger: Ledger, app: AppId, record: CampaignRecord): AsyncGenerator<RecipientPage> {
  const { id } = record.definition
  const of = { app, campaign: id }
  let page = 0
  // Recipients of that page that are not planned; 0 if none of the page is planned.
  let unplanned = 0
  for (let seq = 0; seq < record.planned; seq += BATCHES_AT_ONCE) {
    const seqs = Array.from({ length: Math.min(BATCHES_AT_ONCE, record.planned - seq) }, (_, at) => seq + at)
    for (const batch of await ledger.batches(of, seqs)) {
      if (batch === null) throw new Error(`campaign ${id} has planned a batch that the ledger does not hold`)
      const bits = await ledger.targets(of, batch.fromPage * PAGE_BYTES, (batch.toPage + 1) * PAGE_BYTES - 1)
      const { before = 0, after = 0 } = batch
      const ordinals = [...registered(ordinalsIn(bits, batch.fromPage * PAGE_SIZE), record)]
      yield* byPage(ordinals.slice(before, ordinals.length - after), outcomeIn(batch))
      page = after > 0 ? batch.toPage : batch.toPage + 1
      unplanned = after
    }
  }
  // Recipients after the end of the plan: nothing was sent to them yet, or the campaign stopped before.
  const code = record.stopCode ?? 0
  for (let from = page * PAGE_BYTES; ; from += STRETCH_BYTES) {
    const bits = await ledger.targets(of, from, from + STRETCH_BYTES - 1)
    if (bits.length === 0) return
    const planned = unplanned === 0 ? 0 : popcount(bits, 0, Math.min(bits.length, PAGE_BYTES)) - unplanned
    unplanned = 0
    yield* byPage([...registered(ordinalsIn(bits, from * 8), record)].slice(planned), () => ({ byte: code }))
  }
}

/** The ordinals of the registry: each wave of a campaign at a local time has its own copy of the pages. */
const registered = function* (ordinals: Iterable<number>, { wavePages }: CampaignRecord): Generator<Ordinal> {
  for (const ordinal of ordinals) yield wavePages === undefined ? ordinal : ordinal % (wavePages * PAGE_SIZE)
}

/** The outcome of the recipient at a position: its byte, and the code of an answer that was not acted on. */
interface PositionOutcome {
  readonly byte: number
  readonly notRemoved?: number | undefined
}

function outcomeIn({ vector, closedAs, notRemoved }: StoredBatch): (position: number) => PositionOutcome {
  return (position) => ({
    byte: vector === null ? (closedAs ?? 0) : (vector[position] ?? 0),
    notRemoved: notRemoved.get(position),
  })
}

const byPage = function* (
  ordinals: Iterable<Ordinal>,
  outcomeAt: (position: number) => PositionOutcome,
): Generator<RecipientPage> {
  let page = -1
  let found: Recipient[] = []
  let position = 0
  for (const ordinal of ordinals) {
    if (pageOf(ordinal) !== page) {
      if (found.length > 0) yield { page, recipients: found }
      page = pageOf(ordinal)
      found = []
    }
    found.push(recipientOf(ordinal, outcomeAt(position)))
    position += 1
  }
  if (found.length > 0) yield { page, recipients: found }
}

/** Classes of a recipient that no later answer has settled. */
const unsettled = new Set<RecipientClass>(['pending', 'cancelled', 'lapsed'])

function recipientOf(ordinal: Ordinal, { byte, notRemoved }: PositionOutcome): Recipient {
  const meaning = meaningOf(codeOf(byte))
  const base = { ordinal, class: meaning.class, posts: postsOf(byte) }
  if (notRemoved !== undefined && unsettled.has(meaning.class)) {
    const { status } = meaningOf(notRemoved)
    return { ...base, ...(status === undefined ? {} : { status }), reason: NOT_REMOVED }
  }
  return {
    ...base,
    ...(meaning.status === undefined ? {} : { status: meaning.status }),
    ...(meaning.reason === '' ? {} : { reason: meaning.reason }),
  }
}

/** The recipients that are wanted. */
export interface ResultFilter {
  readonly class?: RecipientClass | undefined
  readonly reason?: string | undefined
}

/** The results of a campaign, one for every recipient, or only those of a class and a reason. */
export const results = async function* (
  deps: { readonly ledger: Ledger; readonly registry: Registry },
  app: AppId,
  record: CampaignRecord,
  only: ResultFilter = {},
): AsyncGenerator<Result> {
  for await (const { page, recipients: onPage } of recipients(deps.ledger, app, record)) {
    const wanted = onPage.filter(
      (recipient) =>
        (only.class === undefined || recipient.class === only.class) &&
        (only.reason === undefined || recipient.reason === only.reason),
    )
    if (wanted.length === 0) continue
    const ids = await deps.registry.channelIds(app, page)
    for (const { ordinal, ...known } of wanted) {
      const channel = ids.get(slotOf(ordinal))
      // The bitmap of a damaged audience may hold ordinals that were never given.
      if (channel === undefined && record.reason === 'ledger-damaged') continue
      if (channel === undefined) throw new Error(`app ${app} does not know the channel with the ordinal ${ordinal}`)
      yield { channel, ...known }
    }
  }
}
