import { createMetrics } from '@wns-fanout/runtime'

const labelsByName = new Map(
  createMetrics()
    .registry.getMetricsAsArray()
    .map((metric) => ['labelNames' in metric ? metric.labelNames : [], metric.name] as const)
    .map(([labels, name]) => [name, labels as readonly string[]]),
)

const ofEverywhere = ['cluster=~"$cluster"', 'namespace=~"$namespace"']

/**
 * The selector of a metric with the variables of the dashboards. `name` lacks the prefix `wns_fanout_`; metrics of Node
 * and the process are written in full. Throws for a metric that no process exposes.
 *
 * @param matchers more label matchers, such as `class!="accepted"`
 */
export function series(name: string, ...matchers: readonly string[]): string {
  const full = /^(process|nodejs|up\b)/.test(name) ? name : `wns_fanout_${name}`
  const labels = full === 'up' ? [] : labelsByName.get(full.replace(/_(bucket|count|sum)$/, ''))
  if (labels === undefined) throw new Error(`no process exposes the metric ${full}`)
  const job = full.startsWith('wns_fanout_') ? [] : ['job=~"wns-fanout-.*"']
  const app = labels.includes('app') ? ['app=~"$app"'] : []
  return `${full}{${[...ofEverywhere, ...job, ...app, ...matchers].join(',')}}`
}

/** The same for the processes that the dashboard selects. */
export function ofProcess(name: string, ...matchers: readonly string[]): string {
  return series(name, 'instance=~"$instance"', ...matchers)
}

/** Events a second, by labels. Counters are in the workers: they are summed. */
export function perSecond(by: string, selector: string): string {
  return `sum${grouping(by)}(rate(${selector}[$__rate_interval]))`
}

/** Events in five minutes, by labels. */
export function inFiveMinutes(by: string, selector: string): string {
  return `sum${grouping(by)}(increase(${selector}[5m]))`
}

/** A gauge of the whole installation, by labels. Every API replica exports it: they are one value. */
export function installation(by: string, selector: string): string {
  return `max${grouping(by)}(${selector})`
}

/** A quantile of a histogram, by labels. */
export function quantile(share: number, by: string, buckets: string, window = '$__rate_interval'): string {
  const labels = by === '' ? 'le' : `${by}, le`
  return `histogram_quantile(${share}, sum by (${labels}) (rate(${buckets}[${window}])))`
}

function grouping(by: string): string {
  return by === '' ? '' : ` by (${by}) `
}
