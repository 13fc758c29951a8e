import type { AppId, InputError, Parsed, Registration } from '@wns-fanout/domain'
import { pointerOf } from '@wns-fanout/domain'
import type { Registry } from './registry.ts'
import { MAX_TAG_NAMES, REGISTRATION_CHUNK } from './registry.ts'
import { SharedUris } from './shared-uris.ts'

/** One line of an upload, counted from 1, already parsed. */
export interface ImportLine {
  readonly line: number
  readonly parsed: Parsed<Registration>
}

/** What is wrong with a line; it never repeats what the line held. */
export interface ImportError {
  readonly line: number
  readonly code: string
  readonly detail: string
}

export interface ImportResult {
  readonly accepted: number
  readonly rejected: number
  /** The first 100, by line. */
  readonly errors: readonly ImportError[]
  /** Accepted lines with a URI that another channel of the same import had before: both would be sent to one device. */
  readonly sharedUris: number
}

export interface ImportOptions {
  /** Script calls under way at once; more only fill the memory of both sides. Default 3. */
  readonly chunksInFlight?: number
}

const MAX_ERRORS = 100

/**
 * Register what `lines` brings, chunk by chunk, and count what was refused. Reads no further than Redis keeps up.
 * Throws when Redis fails; what was registered until then stays, and importing again is harmless.
 */
export async function importRegistrations(
  registry: Registry,
  app: AppId,
  lines: AsyncIterable<ImportLine> | Iterable<ImportLine>,
  { chunksInFlight = 3 }: ImportOptions = {},
): Promise<ImportResult> {
  const tally = new Tally()
  const inFlight = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let chunk: Accepted[] = []
  const flush = async (): Promise<void> => {
    const full = chunk
    chunk = []
    const work = registerChunk(registry, app, full, tally)
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => inFlight.delete(work))
    inFlight.add(work)
    if (inFlight.size >= chunksInFlight) await Promise.race(inFlight)
  }

  for await (const { line, parsed } of lines) {
    if (failure !== undefined) break
    if (parsed.ok) chunk.push({ line, registration: parsed.value })
    else tally.refuse(line, parsed.inputErrors)
    if (chunk.length === REGISTRATION_CHUNK) await flush()
  }
  if (chunk.length > 0) await flush()
  await Promise.all(inFlight)
  if (failure !== undefined) throw failure.error
  return tally.result()
}

interface Accepted {
  readonly line: number
  readonly registration: Registration
}

async function registerChunk(registry: Registry, app: AppId, chunk: readonly Accepted[], tally: Tally) {
  const results = await registry.register(
    app,
    chunk.map(({ registration }) => registration),
  )
  for (const [at, { line, registration }] of chunk.entries()) {
    if (results[at] === 'too-many-tags') tally.refuse(line, [tooManyTags])
    else tally.accept(registration)
  }
}

const tooManyTags: InputError = {
  path: ['tags'],
  code: 'too-many-tags',
  detail: `an app has at most ${MAX_TAG_NAMES} tag names; use one that exists`,
}

class Tally {
  readonly #shared = new SharedUris()
  #accepted = 0
  #rejected = 0
  #errors: ImportError[] = []
  #sharedUris = 0

  accept({ channel, uri }: Registration): void {
    this.#accepted += 1
    if (this.#shared.isShared(uri.raw, channel)) this.#sharedUris += 1
  }

  refuse(line: number, inputErrors: readonly InputError[]): void {
    this.#rejected += 1
    for (const { path, code, detail } of inputErrors.slice(0, MAX_ERRORS))
      this.#errors.push({ line, code, detail: path.length === 0 ? detail : `${pointerOf(path)}: ${detail}` })
    // Refusals by Redis come later than those of the parser; keep the first ones by line.
    if (this.#errors.length >= 4 * MAX_ERRORS) this.#errors = firstByLine(this.#errors)
  }

  result(): ImportResult {
    return {
      accepted: this.#accepted,
      rejected: this.#rejected,
      errors: firstByLine(this.#errors),
      sharedUris: this.#sharedUris,
    }
  }
}

function firstByLine(inputErrors: readonly ImportError[]): ImportError[] {
  return inputErrors.toSorted((left, right) => left.line - right.line).slice(0, MAX_ERRORS)
}
