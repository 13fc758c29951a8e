/**
 * The ledger of a campaign is not what our scripts could have left: something was evicted, cut off, deleted or written by
 * somebody else. Nothing more may be posted for it; see `Ledger.halt`. The message says which field of which batch is
 * what, and never shows a text that was found.
 */
export class LedgerDamaged extends Error {
  readonly code = 'ledger-damaged'

  constructor(found: string, options?: ErrorOptions) {
    super(found, options)
    this.name = 'LedgerDamaged'
  }
}

/** The campaign was written by a process of another version, which carries it on. Nothing was written. */
export class LedgerVersion extends Error {
  readonly code = 'ledger-version'

  constructor(found: string) {
    super(found)
    this.name = 'LedgerVersion'
  }
}

/** Runs what talks to the ledger, and tells its own errors from those of Redis. */
export async function ledgerAnswer<T>(ask: () => Promise<T> | T): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw ledgerError(error)
  }
}

/** A script that stops half-way has met a value that none of our scripts writes: a key of another type, a text for a number. */
const stoppedPattern =
  /^WRONGTYPE |^ERR (hash )?value is not an? |^ERR increment or decrement |user_script:\d+: (attempt|bad argument)/

function ledgerError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = error
  if (message.startsWith('DAMAGED ')) return new LedgerDamaged(lineOf(message.slice('DAMAGED '.length)))
  if (message.startsWith('VERSION ')) return new LedgerVersion(lineOf(message.slice('VERSION '.length)))
  if (stoppedPattern.test(message))
    return new LedgerDamaged('a key has another type, or a field has another form, than the ledger gave it', {
      cause: error,
    })
  return error
}

/** Without what Redis adds about the script. */
function lineOf(message: string): string {
  return message.replace(/\s*script: [0-9a-f]{40}.*$/s, '')
}
