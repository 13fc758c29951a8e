/** The sum over all labels of a metric in a Prometheus text page; undefined when it is not there. */
export function metricIn(page: string, name: string): number | undefined {
  let sum: number | undefined
  for (const line of page.split('\n')) {
    if (!line.startsWith(name)) continue
    const value = /^(?:\{.*\})? (\S+)/.exec(line.slice(name.length))?.[1]
    if (value !== undefined) sum = (sum ?? 0) + Number(value)
  }
  return sum
}
