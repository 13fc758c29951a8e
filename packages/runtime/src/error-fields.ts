const MAX_CAUSES = 5

/** An error as plain data: name, message, code, stack, small own fields and its causes; no command, no request. */
export function serializeError(value: unknown): unknown {
  return value instanceof Error ? describe(value, 0) : value
}

function describe(error: Error, depth: number): Record<string, unknown> {
  const fields: Record<string, unknown> = { type: error.name, message: error.message }
  for (const [name, value] of Object.entries(error)) {
    // Libraries attach commands, requests and replies to errors as objects: user data, large, or both.
    if (isSmall(value)) fields[name] = value
  }
  if (error.stack !== undefined) fields['stack'] = error.stack
  if (depth >= MAX_CAUSES) return fields
  if (error instanceof AggregateError) {
    fields['errors'] = error.errors
      .slice(0, MAX_CAUSES)
      .map((item) => (item instanceof Error ? describe(item, depth + 1) : typeof item))
  }
  if (error.cause instanceof Error) fields['cause'] = describe(error.cause, depth + 1)
  return fields
}

function isSmall(value: unknown): boolean {
  return (typeof value === 'string' && value.length <= 500) || typeof value === 'number' || typeof value === 'boolean'
}
