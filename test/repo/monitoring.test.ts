import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { dashboards } from '@wns-fanout/dashboards'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { prometheusFolders } from '../support/prometheus.ts'
import { root, textOf } from './files.ts'
import { anchorsOf } from './markdown.ts'
import { problemsOf, usedIn } from './metric-names.ts'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}
interface Recording {
  readonly record: string
  readonly expr: string
}

const rulesFile = 'infra/prometheus/alerts.yaml'
const { groups } = parse(textOf(rulesFile)) as { groups: { rules: (Rule | Recording)[] }[] }
const everyRule = groups.flatMap((group) => group.rules)
const recordings = everyRule.filter((rule) => 'record' in rule)

/** The alerts, with each recorded series replaced by its expression. */
const rules = everyRule.filter((rule) => 'alert' in rule).map((rule) => ({ ...rule, expr: resolved(rule.expr) }))

function resolved(expr: string): string {
  return recordings.reduce((text, one) => text.replaceAll(new RegExp(`${one.record}({[^}]*})?`, 'g'), one.expr), expr)
}

interface RuleTests {
  readonly rule_files: readonly string[]
  readonly tests: readonly {
    readonly name: string
    readonly input_series: readonly { readonly series: string; readonly values: string }[]
    readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[]
  }[]
}
const ruleTests = parse(textOf('infra/prometheus/alerts.test.yaml')) as RuleTests

test('an unknown metric and an unknown label are found', () => {
  expect(problemsOf('rate(wns_fanout_sends_totals[5m])')).toEqual(['wns_fanout_sends_totals is not one of our metrics'])
  expect(problemsOf('wns_fanout_lanes{app="x"}')).toEqual(['wns_fanout_lanes has no label app'])
  expect(problemsOf('rate(wns_fanout_send_duration_seconds_bucket{app="x",le="1"}[5m])')).toEqual([])
})

test.each(rules)('the alert $alert uses metrics that exist', ({ expr }) => {
  expect(problemsOf(expr)).toEqual([])
  // The watchdog must fire without any metric.
  expect(usedIn(expr).length > 0 || expr.trim() === 'vector(1)').toBe(true)
})

test.each(rules)(
  'the alert $alert has a severity, a summary, a description, a runbook section and a dashboard',
  (rule) => {
    expect(['critical', 'warning', 'info', 'none']).toContain(rule.labels['severity'])
    expect(rule.annotations['summary']).toBeTruthy()
    expect(rule.annotations['description']).toBeTruthy()
    const [url = '', anchor = ''] = (rule.annotations['runbook_url'] ?? '').split('#')
    expect(url).toBe('{{ $externalLabels.runbook_base }}docs/operations.md')
    expect(anchorsOf(textOf('docs/operations.md'))).toContain(anchor)
    const dashboard =
      /^\{\{ \$externalLabels\.grafana_base \}\}d\/wns-fanout-(\w+)(\?var-app=\{\{ \$labels\.app \}\})?$/
    const [, name = '', app] = dashboard.exec(rule.annotations['dashboard_url'] ?? '') ?? []
    expect([...dashboards.keys()]).toContain(name)
    // An alert of one app opens the dashboard of that app.
    expect(app !== undefined).toBe(
      `${rule.annotations['summary']}${rule.annotations['description']}`.includes('$labels.app'),
    )
  },
)

test('alert names are unique, and the runbook mentions each', () => {
  const names = rules.map(({ alert }) => alert)
  expect(new Set(names).size).toBe(names.length)
  const runbook = textOf('docs/operations.md')
  expect(names.filter((name) => !runbook.includes(`\`${name}\``))).toEqual([])
})

test('rule tests use existing alerts and metrics, and some alerts fire in them', () => {
  expect(ruleTests.rule_files).toEqual(['alerts.yaml'])
  const known = new Set(rules.map(({ alert }) => alert))
  const tested = ruleTests.tests.flatMap((one) => one.alert_rule_test)
  expect(tested.filter(({ alertname }) => !known.has(alertname))).toEqual([])
  expect(tested.filter((one) => one.exp_alerts.length > 0).length).toBeGreaterThan(5)
  const series = ruleTests.tests.flatMap((one) => one.input_series.map((input) => input.series))
  expect(series.flatMap(problemsOf)).toEqual([])
})

test('a recorded series is an increase that includes the first value of a new series', () => {
  expect(recordings.length).toBeGreaterThan(5)
  for (const { record, expr } of recordings) {
    const [, by = '', metric = '', window = ''] = /^([a-z_]+):(\w+):increase(\w+)$/.exec(record) ?? []
    const counter = `${metric}_total`
    const grouping = by === 'all' ? '' : ` by (${by.split('_').join(', ')}) `
    expect(expr.replaceAll(/\s+/g, ' ').trim()).toBe(
      `sum${grouping}( (max_over_time(${counter}[${window}]) unless ${counter} offset ${window}) ` +
        `or increase(${counter}[${window}]))`,
    )
  }
})

const counting = everyRule.filter((rule) => 'alert' in rule).filter(({ expr }) => /:increase\d/.test(expr))

test('an alert counts only with recorded increases', () => {
  expect(counting.length).toBeGreaterThan(10)
  const direct = everyRule.filter((rule) => 'alert' in rule && /_total\b/.test(rule.expr))
  expect(direct).toEqual([])
})

test.each(counting)('a rule test gives $alert a series that starts at a high value', ({ alert }) => {
  const cases = ruleTests.tests.filter(({ input_series }) =>
    input_series.some(({ series, values }) => /_total\{/.test(series) && /^_x\d+ [1-9]/.test(values)),
  )
  const fired = cases.flatMap((one) => one.alert_rule_test).filter(({ exp_alerts }) => exp_alerts.length > 0)
  expect(fired.map(({ alertname }) => alertname)).toContain(alert)
})

test.each(rules)('a rule test lets $alert fire, and another keeps it silent', ({ alert }) => {
  const cases = ruleTests.tests.flatMap((one) => one.alert_rule_test).filter(({ alertname }) => alertname === alert)
  expect(cases.some(({ exp_alerts }) => exp_alerts.length > 0)).toBe(true)
  // The watchdog is never silent.
  if (alert !== 'WnsFanoutWatchdog') expect(cases.some(({ exp_alerts }) => exp_alerts.length === 0)).toBe(true)
})

test('a restart of a worker, whose counters begin again at 0, fires no alert that counts', () => {
  const restart = ruleTests.tests.filter(({ name }) => name.startsWith('restart:'))
  const silent = restart.flatMap((one) => one.alert_rule_test).filter(({ exp_alerts }) => exp_alerts.length === 0)
  const tested = new Set(silent.map(({ alertname }) => alertname))
  // These two are about what is missing, not about what is counted.
  const absent = new Set(['WnsFanoutNothingSent', 'WnsFanoutAppServedByNobody'])
  expect(counting.map(({ alert }) => alert).filter((name) => !tested.has(name) && !absent.has(name))).toEqual([])
})

interface Matchers {
  readonly source_matchers: readonly string[]
  readonly target_matchers: readonly string[]
}
const alertmanager = parse(textOf('infra/prometheus/alertmanager.yaml')) as {
  readonly inhibit_rules: readonly Matchers[]
}

test('inhibition names alerts that exist, and no alert inhibits itself', () => {
  const known = rules.map(({ alert }) => alert)
  for (const { source_matchers, target_matchers } of alertmanager.inhibit_rules) {
    const [sources, targets] = [source_matchers, target_matchers].map((matchers) =>
      matchers.flatMap((matcher) => matcher.match(/WnsFanout\w+/g) ?? []),
    )
    expect(sources?.length).toBeGreaterThan(0)
    expect(targets?.length).toBeGreaterThan(0)
    expect([...(sources ?? []), ...(targets ?? [])].filter((name) => !known.includes(name))).toEqual([])
    expect(sources?.filter((name) => targets?.includes(name))).toEqual([])
  }
})

// promtool checks the rules and runs their tests; where there is none, the brackets are compared.
const [folder] = await prometheusFolders()

test('the rules are well-formed and pass their tests', () => {
  for (const { expr } of rules) {
    expect(count(expr, '(')).toBe(count(expr, ')'))
    expect(count(expr, '{')).toBe(count(expr, '}'))
  }
  if (folder === undefined) return
  for (const args of [
    ['check', 'rules', 'alerts.yaml'],
    ['test', 'rules', 'alerts.test.yaml'],
    ['check', 'config', 'prometheus.yaml'],
  ]) {
    const { status, stdout, stderr } = spawnSync(join(folder, 'promtool'), args, {
      cwd: `${root}/infra/prometheus`,
      encoding: 'utf8',
    })
    expect({ args, status, text: status === 0 ? '' : `${stdout}${stderr}` }).toEqual({ args, status: 0, text: '' })
  }
})

test('Prometheus scrapes the ops ports and loads the alerts', () => {
  const config = parse(textOf('infra/prometheus/prometheus.yaml')) as {
    rule_files: string[]
    scrape_configs: { job_name: string; dns_sd_configs: { port: number }[] }[]
  }
  expect(config.rule_files).toEqual(['alerts.yaml'])
  expect(config.scrape_configs.map(({ job_name }) => job_name)).toEqual(['wns-fanout-api', 'wns-fanout-worker'])
  expect(config.scrape_configs.flatMap((one) => one.dns_sd_configs.map(({ port }) => port))).toEqual([8081, 8081])
})

function count(text: string, character: string): number {
  return text.split(character).length - 1
}
