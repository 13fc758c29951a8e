/** An error that the operator can act on: one readable line, exit code 1. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly code: string
  /** Further members for `--json`. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(code: string, message: string, { cause, ...extra }: Record<string, unknown> = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.extra = extra
  }
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
