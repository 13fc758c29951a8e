import type { Wave } from '@wns-fanout/domain'
import { formatCount } from './terminal/format.ts'
import { tableLines } from './terminal/table.ts'

/** When each group of time zones gets a campaign at a local time. */
export function waveLines(waves: readonly Wave[] = []): readonly string[] {
  if (waves.length === 0) return []
  const rows = waves.map(({ at, recipients, timeZones }) => [at, formatCount(recipients), timeZones.join(', ')])
  return ['', ...tableLines(['sent from', 'recipients', 'time zones'], rows)]
}
