/**
 * The ledger of a campaign is not what our scripts could have left: something was evicted, cut off, deleted or written
 * by another program. The campaign must not send any more; see `LedgerRepair.markDamaged`. The message names the batch
 * and the field, and shows numbers only.
 */
export class LedgerDamaged extends Error {
  readonly code = 'ledger-damaged'

  constructor(found: string, options?: ErrorOptions) {
    super(found, options)
    this.name = 'LedgerDamaged'
  }
}

/** A process of another version wrote the campaign, and sends it. Nothing was written. */
export class LedgerVersion extends Error {
  readonly code = 'ledger-version'

  constructor(found: string) {
    super(found)
    this.name = 'LedgerVersion'
  }
}

/**
 * The ledger rejected a call that contradicts the protocol, for example more credit than the window. Nothing was
 * written, and the same call will be rejected again: the caller's view of its batch is wrong.
 */
export class LedgerRefused extends Error {
  readonly code = 'ledger-refused'

  constructor(found: string) {
    super(found)
    this.name = 'LedgerRefused'
  }
}

/** Runs a command or script of the ledger, and turns its error replies into the classes above. */
export async function askLedger<T>(ask: () => Promise<T> | T): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw ledgerError(error)
  }
}

/** A script that stops halfway has met a value that no script writes: a key of another type, a text for a number. */
const stoppedScript =
  /^WRONGTYPE |^ERR (hash )?value is not an? |^ERR increment or decrement |[\w-]+\.lua:\d+: (attempt|bad argument)/

function ledgerError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = error
  if (message.startsWith('DAMAGED ')) return new LedgerDamaged(lineOf(message.slice('DAMAGED '.length)))
  if (message.startsWith('VERSION ')) return new LedgerVersion(lineOf(message.slice('VERSION '.length)))
  if (message.startsWith('LEDGER ')) return new LedgerRefused(lineOf(message.slice('LEDGER '.length)))
  if (stoppedScript.test(message))
    return new LedgerDamaged('a key has another type, or a field has another form, than the ledger gave it', {
      cause: error,
    })
  return error
}

/** Without the details of the script that Redis appends. */
function lineOf(message: string): string {
  return message.replace(/\s*script: [0-9a-f]{40}.*$/s, '')
}
