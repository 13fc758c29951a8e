/**
 * `pnpm test:cron`: every time of every expression, in every time zone of the ICU data, from 2024 to 2030, against an
 * oracle that looks at clocks minute by minute. Takes about half an hour.
 */
import { compareZone, plansOf } from './compare.ts'
import { expressions } from './expressions.ts'

const FROM_MS = Date.UTC(2024, 0, 1)
const UNTIL_MS = Date.UTC(2031, 0, 1)
const DAY_MS = 86_400_000
const SHOWN = 20

const zones = Intl.supportedValuesOf('timeZone')
const plans = plansOf(expressions, FROM_MS, UNTIL_MS)
let runs = 0
const differences: string[] = []
for (const [n, zone] of zones.entries()) {
  const compared = compareZone(zone, plans, FROM_MS, UNTIL_MS)
  runs += compared.runs
  differences.push(...compared.differences)
  if ((n + 1) % 20 === 0) console.error(`${n + 1} of ${zones.length} zones, differences ${differences.length}`)
}
for (const difference of differences.slice(0, SHOWN)) console.log(difference)
const dates = (zones.length * (UNTIL_MS - FROM_MS)) / DAY_MS
console.log(
  `zones ${zones.length}, expressions ${expressions.length}, dates ${dates}, runs ${runs}, differences ${differences.length}` +
    ` (ICU ${process.versions['icu']}, time zones ${process.versions['tz']})`,
)
process.exitCode = differences.length === 0 ? 0 : 1
