import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type {
  AppId,
  ChannelId,
  ImportedLine,
  ImportError,
  ImportResult,
  InputError,
  Registration,
  SharedUriPolicy,
  SkippedField,
  UriMove,
} from '@wns-fanout/domain'
import { pointerOf } from '@wns-fanout/domain'
import type { ChannelChanges } from './channel-changes.ts'
import type { Registered, RegistrationOutcome, Registry } from './registry.ts'
import { MAX_TAG_NAMES, REGISTRATION_CHUNK, TOO_MANY_TOPICS } from './registry.ts'

/** The lines ended before the upload did. What was read until then is registered. */
export class ImportEndedEarlyError extends Error {
  override readonly name = 'ImportEndedEarlyError'
  readonly result: ImportResult

  constructor(result: ImportResult, cause: unknown) {
    super('the import ended early', { cause })
    this.result = result
  }
}

export interface ImportOptions {
  /** What happens when a line brings a URI that another channel has; default `move`. */
  readonly sharedUri?: SharedUriPolicy | undefined
  /** For an import of several uploads: its name, and where what its lines named is noted. */
  readonly named?: { readonly id: string; readonly changes: ChannelChanges }
  /** Register nothing; `created` counts the ids that are not registered, `unchanged` the others. */
  readonly isDryRun?: boolean
  /** Script calls under way at once; more only fill the memory of both sides. Default 3. */
  readonly chunksInFlight?: number
}

const MAX_ERRORS = 100
const MAX_REJECTED_LINES = 10_000

/**
 * Register the channels of `lines`, chunk by chunk, and count the result. Reads no further than Redis keeps up. Throws
 * {@link ImportEndedEarlyError} when Redis or the lines fail; importing again is harmless. A connection to Redis that
 * breaks can make a chunk be sent twice, whose channels are then counted as duplicates.
 */
export async function importRegistrations(
  registry: Registry,
  app: AppId,
  lines: AsyncIterable<ImportedLine> | Iterable<ImportedLine>,
  { sharedUri, named, isDryRun = false, chunksInFlight = 3 }: ImportOptions = {},
): Promise<ImportResult> {
  const tally = new Tally()
  const options = { sharedUri, importId: named?.id ?? randomUUID() }
  await named?.changes.beginImport(app, named.id)
  const rejected = new RejectedIds(app, named)
  const inFlight = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let chunk: AcceptedLine[] = []
  const flush = async (): Promise<void> => {
    const full = chunk
    chunk = []
    const registrations = full.map(({ registration }) => registration)
    const work = (
      isDryRun ? rehearse(registry, app, registrations, named) : registry.register(app, registrations, options)
    )
      .then(async (registered) => {
        tally.addChunk(full, registered)
        for (const [at, { outcome }] of registered.entries())
          if (refusals.has(outcome)) await rejected.add(registrations[at]?.channel)
      })
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => inFlight.delete(work))
    inFlight.add(work)
    if (inFlight.size >= chunksInFlight) await Promise.race(inFlight)
    // Lines that are in memory already would keep everything else in the process waiting.
    await setImmediate()
  }

  try {
    for await (const { line, parsed, channel, skipped = [] } of lines) {
      if (failure !== undefined) break
      for (const field of skipped) tally.skip(line, field)
      if (parsed.ok) chunk.push({ line, registration: parsed.value })
      else {
        tally.refuse(line, parsed.inputErrors)
        await rejected.add(channel)
      }
      if (chunk.length === REGISTRATION_CHUNK) await flush()
    }
  } catch (error) {
    failure ??= { error }
  }
  if (chunk.length > 0) await flush()
  await Promise.all(inFlight)
  await rejected.flush().catch((error: unknown) => {
    failure ??= { error }
  })
  // Left alone it expires.
  if (named === undefined) await registry.endImport(app, options.importId).catch(() => {})
  if (failure !== undefined) throw new ImportEndedEarlyError(tally.result(), failure.error)
  return tally.result()
}

const refusals: ReadonlySet<RegistrationOutcome> = new Set([
  'too-many-tags',
  'too-many-topics',
  'too-many-vars',
  'unknown-channel',
])

/** Ids of lines that were refused: an import that has a name notes them, since their channels are not missing. */
class RejectedIds {
  readonly #app: AppId
  readonly #named: ImportOptions['named']
  #ids: ChannelId[] = []
  #unreadable = 0

  constructor(app: AppId, named: ImportOptions['named']) {
    this.#app = app
    this.#named = named
  }

  async add(channel: ChannelId | undefined): Promise<void> {
    if (this.#named === undefined) return
    if (channel === undefined) this.#unreadable += 1
    else this.#ids.push(channel)
    if (this.#ids.length >= REGISTRATION_CHUNK) await this.flush()
  }

  async flush(): Promise<void> {
    const [ids, unreadable] = [this.#ids, this.#unreadable]
    this.#ids = []
    this.#unreadable = 0
    if (this.#named !== undefined && ids.length + unreadable > 0)
      await this.#named.changes.keep(this.#app, this.#named.id, ids, unreadable)
  }
}

/** What registering would find, without doing it. */
async function rehearse(
  registry: Registry,
  app: AppId,
  registrations: readonly Registration[],
  named: ImportOptions['named'],
): Promise<Registered[]> {
  const ids = registrations.map(({ channel }) => channel)
  const known = await registry.ordinalsOf(app, ids)
  await named?.changes.keep(app, named.id, ids, 0)
  return registrations.map(({ channel, uri, optedOut, optedOutOf }) => {
    if (known.has(channel)) return { outcome: 'unchanged' }
    if (uri !== undefined) return { outcome: 'created' }
    return { outcome: optedOut === true || (optedOutOf ?? []).length > 0 ? 'updated' : 'unknown-channel' }
  })
}

interface AcceptedLine {
  readonly line: number
  readonly registration: Registration
}

const tooManyTags: InputError = {
  path: ['tags'],
  code: 'too-many-tags',
  detail: `an app has at most ${MAX_TAG_NAMES} tag names; use one that exists`,
}

const tooManyTopics: InputError = { path: ['optedOutOf'], code: 'too-many-topics', detail: TOO_MANY_TOPICS }

const tooManyVars: InputError = {
  path: ['vars'],
  code: 'too-many-vars',
  detail: 'a channel may have at most 20 variables; remove some with null',
}

const unknownChannel: InputError = {
  path: ['uri'],
  code: 'missing',
  detail: 'this is missing; a line without a uri changes only a channel that is registered',
}

class Tally {
  readonly #counts = { created: 0, updated: 0, unchanged: 0, duplicates: 0, rejected: 0, moved: 0 }
  #rejectedLines: number[] = []
  /** By code and detail, in the order of the first lines as far as they are known. */
  #errors = new Map<string, ImportError>()
  #moves: UriMove[] = []
  #skippedFields = 0

  addChunk(lines: readonly AcceptedLine[], registered: readonly Registered[]): void {
    for (const [at, { line, registration }] of lines.entries()) {
      const one = registered[at]
      if (one === undefined) continue
      this.#count(line, one)
      if (one.movedFrom === undefined) continue
      this.#counts.moved += 1
      if (this.#moves.length < MAX_ERRORS)
        this.#moves.push({ line, channel: registration.channel, from: one.movedFrom })
    }
  }

  skip(line: number, field: SkippedField): void {
    this.#skippedFields += 1
    this.#addError(line, 'skipped-field', `${field}: a value that is not valid was left out; the channel is registered`)
  }

  refuse(line: number, errors: readonly InputError[]): void {
    this.#counts.rejected += 1
    if (this.#rejectedLines.length < MAX_REJECTED_LINES) this.#rejectedLines.push(line)
    for (const { path, code, detail } of errors.slice(0, MAX_ERRORS))
      this.#addError(line, code, path.length === 0 ? detail : `${pointerOf(path)}: ${detail}`)
    // Refusals by Redis come later than those of the parser; keep the first ones by line.
    if (this.#errors.size >= 4 * MAX_ERRORS) this.#errors = new Map(firstByLine(this.#errors))
  }

  result(): ImportResult {
    return {
      ...this.#counts,
      errors: firstByLine(this.#errors).map(([, error]) => error),
      ...(this.#rejectedLines.length === 0
        ? {}
        : { rejectedLines: this.#rejectedLines.toSorted((left, right) => left - right) }),
      ...(this.#skippedFields === 0 ? {} : { skippedFields: this.#skippedFields }),
      moves: this.#moves.toSorted((left, right) => left.line - right.line),
    }
  }

  #count(line: number, { outcome }: Registered): void {
    switch (outcome) {
      case 'created':
      case 'updated':
      case 'unchanged':
        this.#counts[outcome] += 1
        return
      case 'duplicate':
        this.#counts.duplicates += 1
        return
      case 'duplicate-updated':
        this.#counts.duplicates += 1
        this.#counts.unchanged -= 1
        this.#counts.updated += 1
        return
      case 'too-many-tags':
        this.refuse(line, [tooManyTags])
        return
      case 'too-many-topics':
        this.refuse(line, [tooManyTopics])
        return
      case 'too-many-vars':
        this.refuse(line, [tooManyVars])
        return
      case 'unknown-channel':
        this.refuse(line, [unknownChannel])
        return
      default:
        outcome satisfies never
    }
  }

  #addError(line: number, code: string, detail: string): void {
    const key = `${code} ${detail}`
    const known = this.#errors.get(key)
    this.#errors.set(
      key,
      known === undefined
        ? { line, code, detail, count: 1 }
        : { ...known, line: Math.min(known.line, line), count: known.count + 1 },
    )
  }
}

function firstByLine(errors: ReadonlyMap<string, ImportError>): [string, ImportError][] {
  return [...errors].toSorted(([, left], [, right]) => left.line - right.line).slice(0, MAX_ERRORS)
}
