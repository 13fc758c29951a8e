/** `1234567` as `1,234,567`. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

/** A rate as text: `0.4/s`, `12/s`, `3,100/s`. */
export function formatRate(perSecond: number): string {
  return `${perSecond > 0 && perSecond < 10 ? perSecond.toFixed(1) : formatCount(perSecond)}/s`
}

/** Milliseconds as text: `40 ms`, `3.2 s`, `2 min 05 s`, `3 h 07 min`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 950) return `${Math.round(durationMs)} ms`
  if (durationMs < 59_950) return `${(durationMs / 1000).toFixed(1)} s`
  const seconds = Math.round(durationMs / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} min`
}

/** Remaining seconds as text: `1 s`, `42 s`, `2 min 05 s`. */
export function formatLeft(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : formatDuration(seconds * 1000)
}

/** Bytes as text: `812 B`, `3.4 kB`, `118 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB'] as const
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/** `part` of `whole` as a percentage; 100 % only when complete, 0 % only when nothing is done. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %'
  if (part === whole) return '100 %'
  const percent = Math.min(99.9, Math.max(0.1, (part / whole) * 100))
  return `${percent < 10 || percent > 99 ? percent.toFixed(1) : Math.floor(percent)} %`
}

function pad(value: number): string {
  return String(value).padStart(2, '0')
}
