import { parseArgs } from 'node:util'
import { eventually, until } from '@wns-fanout/testing'
import { prometheusFolders } from '../support/prometheus.ts'
import { type Fault, faults } from './faults.ts'
import { SCRAPE_SECONDS, type Site, startSite } from './site.ts'

const HELP = `pnpm test:alerts [text]: induces faults in real installations under a real Prometheus with the alerts of
infra/prometheus, and measures when each alert fires. About a quarter of an hour.

  text            only the faults whose name contains it
  --at-once N     installations that run at the same time (3)
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'at-once': { type: 'string', default: '3' }, help: { type: 'boolean', default: false } },
})

interface Row {
  readonly fault: Fault
  readonly firedAfterSeconds: number
  readonly resolvedAfterSeconds: number | undefined
  readonly beside: readonly string[]
  readonly problems: readonly string[]
}

/** A fault is seen by the next scrape, the rule by the next evaluation, and each may just have happened. */
const SLACK_SECONDS = 2 * SCRAPE_SECONDS
/** Alerts that count events of a quarter of an hour resolve later; that is not waited for. */
const RESOLVES_WITHIN_SECONDS = 180

async function main(): Promise<void> {
  if (values.help) {
    console.log(HELP)
    return
  }
  const [folder] = await prometheusFolders()
  if (folder === undefined) throw new Error('this needs Prometheus: install it, or run on Debian or Ubuntu')
  const chosen = faults.filter(({ name }) => positionals.every((text) => name.includes(text)))
  const rows: Row[] = []
  const waiting = [...chosen]
  const runOne = async (): Promise<void> => {
    for (let fault = waiting.shift(); fault !== undefined; fault = waiting.shift()) {
      await using site = await startSite(folder)
      const row = await observe(fault, site)
      rows.push(row)
      console.log(lineOf(row))
    }
  }
  await Promise.all(Array.from({ length: Number(values['at-once']) }, runOne))
  const failed = rows.filter(({ problems }) => problems.length > 0)
  for (const { fault, problems } of failed) console.error(`${fault.name}: ${problems.join('; ')}`)
  console.log(`${rows.length - failed.length} passed, ${failed.length} failed`)
  if (failed.length > 0) process.exitCode = 1
}

async function observe(fault: Fault, { prometheus, ...rest }: Site): Promise<Row> {
  const site = { prometheus, ...rest }
  const firing = async (): Promise<readonly string[]> => {
    const alerts = await prometheus.alerts()
    return alerts
      .filter(({ name, state }) => state === 'firing' && name !== 'WnsFanoutWatchdog')
      .map(({ name }) => name)
  }
  const before = await firing()
  const seen = new Set<string>()
  const fires = async (): Promise<boolean> => {
    const names = await firing()
    for (const name of names) seen.add(name)
    return names.includes(fault.alert)
  }
  const repair = await fault.induce(site)
  const startMs = performance.now()
  const limitSeconds = fault.forSeconds + fault.noticedSeconds + SLACK_SECONDS
  // Waited for longer than it may take, so that a late alert is measured too.
  const fired = await until(fault.alert, fires, (limitSeconds + 240) * 1000).catch(() => false)
  const firedAfterSeconds = (performance.now() - startMs) / 1000
  await repair()
  const repairedMs = performance.now()
  const gone = await eventually(
    `${fault.alert} to resolve`,
    async () => !(await fires()),
    RESOLVES_WITHIN_SECONDS * 1000,
  ).catch(() => false)
  const beside = [...seen].filter((name) => name !== fault.alert)
  const misleading = beside.filter((name) => !fault.others.includes(name))
  return {
    fault,
    firedAfterSeconds,
    resolvedAfterSeconds: gone ? (performance.now() - repairedMs) / 1000 : undefined,
    beside,
    problems: [
      ...(before.length === 0 ? [] : [`${before.join(', ')} fired before the fault`]),
      ...(fired ? [] : [`${fault.alert} did not fire`]),
      ...(fired && firedAfterSeconds > limitSeconds ? [`fired after ${Math.round(firedAfterSeconds)} s`] : []),
      ...(misleading.length === 0 ? [] : [`${misleading.join(', ')} misleads`]),
    ],
  }
}

function lineOf({ fault, firedAfterSeconds, resolvedAfterSeconds, beside, problems }: Row): string {
  const resolved =
    resolvedAfterSeconds === undefined ? 'later, with its window' : `${Math.round(resolvedAfterSeconds)} s`
  return `| ${fault.name} | \`${fault.alert}\` | ${Math.round(firedAfterSeconds)} s | ${resolved} | ${
    beside.map((name) => `\`${name}\``).join(', ') || '–'
  } | ${problems.length === 0 ? 'ok' : 'FAILED'} |`
}

await main()
