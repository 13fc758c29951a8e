import { createMetrics } from '@wns-fanout/runtime'

/** Every metric that our processes expose, with its labels. */
export const metrics: ReadonlyMap<string, readonly string[]> = new Map(
  createMetrics()
    .registry.getMetricsAsArray()
    .map((metric) => [metric.name, labelsOf(metric)] as const),
)

/** Our own metrics, without those of Node and the process. */
export const ownMetrics: readonly string[] = [...metrics.keys()].filter((name) => name.startsWith('wns_fanout_'))

function labelsOf(metric: object): readonly string[] {
  return 'labelNames' in metric && Array.isArray(metric.labelNames) ? metric.labelNames.map(String) : []
}

const suffix = /_(bucket|sum|count)$/

/** The metric of a name in a query, or undefined. `up` is built into Prometheus. */
export function metricOf(name: string): string | undefined {
  if (metrics.has(name) || name === 'up') return name
  const plain = name.replace(suffix, '')
  return suffix.test(name) && metrics.has(plain) ? plain : undefined
}

export interface Used {
  readonly name: string
  /** The labels in its selector. */
  readonly labels: readonly string[]
}

/** The metrics in a query, each with the labels of its selector. */
export function usedIn(query: string): readonly Used[] {
  return [...query.matchAll(/\b(up|(?:wns|nodejs|process)_[a-z0-9_]+)\b(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    }),
  )
}

// Labels that Prometheus adds, the last two in some installations only.
const added = ['job', 'instance', 'le', 'namespace', 'cluster']

/** Unknown metrics and labels in a query, as messages. */
export function problemsOf(query: string): readonly string[] {
  return usedIn(query).flatMap(({ name, labels }) => {
    const metric = metricOf(name)
    if (metric === undefined) return [`${name} is not one of our metrics`]
    const known = [...(metrics.get(metric) ?? []), ...added]
    return labels.filter((label) => !known.includes(label)).map((label) => `${name} has no label ${label}`)
  })
}
