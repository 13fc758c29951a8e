/** The sum of a metric over all labels in a Prometheus text page; undefined when the page lacks it. */
export function metricIn(page: string, name: string): number | undefined {
  let sum: number | undefined
  for (const line of page.split('\n')) {
    if (!line.startsWith(name)) continue
    const value = /^(?:\{.*\})? (\S+)/.exec(line.slice(name.length))?.[1]
    if (value !== undefined) sum = (sum ?? 0) + Number(value)
  }
  return sum
}
