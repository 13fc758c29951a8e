import { createMetrics } from '@wns-fanout/runtime'

/** Every metric that our processes expose, with its labels. */
export const metrics: ReadonlyMap<string, readonly string[]> = new Map(
  createMetrics()
    .registry.getMetricsAsArray()
    .map((metric) => [metric.name, labelsOf(metric)] as const),
)

/** Our own, without those of Node and the process. */
export const ownMetrics: readonly string[] = [...metrics.keys()].filter((name) => name.startsWith('wns_fanout_'))

function labelsOf(metric: object): readonly string[] {
  return 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : []
}

const suffix = /_(bucket|sum|count)$/

/** The metric behind a name in a query; undefined when there is none. `up` is Prometheus's own. */
export function metricOf(name: string): string | undefined {
  if (metrics.has(name) || name === 'up') return name
  const plain = name.replace(suffix, '')
  return suffix.test(name) && metrics.has(plain) ? plain : undefined
}

export interface Used {
  readonly name: string
  /** Labels in its braces. */
  readonly labels: readonly string[]
}

/** The metrics in a query, each with the labels that it is selected by. */
export function usedIn(query: string): readonly Used[] {
  return [...query.matchAll(/\b(up|(?:wns|nodejs|process)_[a-z0-9_]+)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  )
}

// What Prometheus itself adds.
const added = ['job', 'instance', 'le']

/** What is wrong with the metrics in a query, in words; nothing for a good one. */
export function problemsOf(query: string): readonly string[] {
  return usedIn(query).flatMap(({ name, labels }) => {
    const metric = metricOf(name)
    if (metric === undefined) return [`${name} is no metric of ours`]
    const known = [...(metrics.get(metric) ?? []), ...added]
    return labels.filter((label) => !known.includes(label)).map((label) => `${name} has no label ${label}`)
  })
}
