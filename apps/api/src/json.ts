import { Problem } from '@wns-fanout/domain'

/** The value of a JSON text. Throws a `Problem` `malformed-json` that says where, and for keys that could reach a prototype. */
export function parseJson(text: string): unknown {
  const value = parse(text)
  // The keys may be written with escapes, so a text without them and without the words is clean.
  if (/__proto__|constructor|\\u/.test(text)) refusePoison(value)
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    // The message itself repeats the input.
    const at = error instanceof Error ? /line \d+ column \d+/.exec(error.message)?.[0] : undefined
    throw new Problem(
      'malformed-json',
      at === undefined ? 'this is not valid JSON' : `this is not valid JSON at ${at}`,
      {
        cause: error,
      },
    )
  }
}

// Without recursion: the nesting is up to the caller.
function refusePoison(value: unknown): void {
  const open: unknown[] = [value]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue
    if (Object.hasOwn(next, '__proto__')) throw poison('__proto__')
    if (Object.hasOwn(next, 'constructor')) {
      const made: unknown = (next as Record<string, unknown>)['constructor']
      if (typeof made === 'object' && made !== null && Object.hasOwn(made, 'prototype'))
        throw poison('constructor.prototype')
    }
    for (const item of Object.values(next)) if (typeof item === 'object' && item !== null) open.push(item)
  }
}

function poison(key: string): Problem {
  return new Problem('malformed-json', `the key "${key}" is not allowed anywhere; remove it`)
}
