import { InvalidArgumentError } from 'commander'

// Parsers for option values. Commander turns their errors into a usage error that names the option.

/** A whole number within the given bounds. */
export function integer(min: number, max: number) {
  return (text: string): number => {
    const value = Number(text.replaceAll('_', ''))
    if (text.trim() !== '' && Number.isInteger(value) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

/** A share above 0 and up to 1, given as `0.2` or `20%`. */
export function share(text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text)
  if (text.trim() !== '' && value > 0 && value <= 1) return value
  throw new InvalidArgumentError('It must be a share such as 0.05 or 5%.')
}

const units: ReadonlyMap<string, number> = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
])

/** Seconds, given as `90`, `90s`, `15m`, `2h` or `1d`. */
export function seconds(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text)
  const unit = units.get(match?.[2] || 's')
  if (match === null || unit === undefined)
    throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 2h or 1d.')
  return Number(match[1]) * unit
}

/** An instant as ISO 8601 in UTC, given as such or relative to now: `+15m`, `+2h`. */
export function instant(text: string): string {
  const atMs = text.startsWith('+') ? Date.now() + seconds(text.slice(1)) * 1000 : Date.parse(text)
  // Without a zone the same text would mean different moments on two machines.
  if (Number.isNaN(atMs) || !(text.startsWith('+') || /(Z|[+-]\d\d:?\d\d)$/i.test(text)))
    throw new InvalidArgumentError('It must be a time such as +15m or 2026-01-31T09:30:00Z.')
  return new Date(atMs).toISOString()
}

/** An instant in the past as ISO 8601 in UTC, given as such or by its age: `90d`, `2h`. */
export function past(text: string): string {
  return /^\d+[smhd]$/.test(text) ? new Date(Date.now() - seconds(text) * 1000).toISOString() : instantWithZone(text)
}

function instantWithZone(text: string): string {
  // Without a zone the same text would mean different moments on two machines.
  if (Number.isNaN(Date.parse(text)) || !/(Z|[+-]\d\d:?\d\d)$/i.test(text))
    throw new InvalidArgumentError('It must be an age such as 90d, or a time such as 2026-01-31T09:30:00Z.')
  return new Date(text).toISOString()
}

/** For options that can be repeated. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/** Names separated by commas, over several uses of the option. */
export function names(text: string, before: readonly string[] = []): readonly string[] {
  return [
    ...before,
    ...text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  ]
}
