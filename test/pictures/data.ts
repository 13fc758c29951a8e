import { type Dashboard, type Panel, asked } from '../support/dashboards.ts'
import type { Labels, Prometheus, Series } from '../support/prometheus.ts'

/** A panel with its values, as the page draws it. */
export interface DrawnPanel {
  readonly title: string
  readonly type: Panel['type']
  readonly gridPos: Panel['gridPos']
  readonly unit: string
  readonly max: number | undefined
  readonly steps: readonly { readonly value: number | null; readonly color: string }[]
  readonly showSteps: boolean
  readonly words: Readonly<Record<string, { readonly text: string; readonly color: string }>>
  readonly stacking: string
  readonly columns: Readonly<Record<string, string>>
  readonly series: readonly DrawnSeries[]
}

export interface DrawnSeries {
  readonly name: string
  readonly color: string
  /** Lengths of dashes and gaps; none draws a full line. */
  readonly dash: readonly number[]
  readonly labels: Labels
  readonly values: readonly (readonly [number, number])[]
}

export interface Mark {
  readonly name: string
  readonly color: string
  readonly label: string
  readonly values: readonly (readonly [number, number])[]
}

export interface Drawing {
  readonly title: string
  readonly range: Range
  readonly panels: readonly DrawnPanel[]
  readonly marks: readonly Mark[]
}

export interface Range {
  readonly start: number
  readonly end: number
  readonly step: number
}

const RATE_INTERVAL = '8s'

/** Asks Prometheus what Grafana would ask for a dashboard whose variables are all "All". */
export async function drawingOf(dashboard: Dashboard, prometheus: Prometheus, range: Range): Promise<Drawing> {
  const panels: DrawnPanel[] = []
  for (const panel of dashboard.panels) panels.push(await drawnPanel(panel, prometheus, range))
  const marks: Mark[] = []
  for (const { name, expr, iconColor } of dashboard.annotations.list) {
    for (const { labels, values } of await prometheus.queryRange(asked(expr, RATE_INTERVAL), range)) {
      marks.push({ name, color: iconColor, label: labels['app'] ?? labels['job'] ?? '', values })
    }
  }
  return { title: dashboard.title, range, panels, marks }
}

async function drawnPanel(panel: Panel, prometheus: Prometheus, range: Range): Promise<DrawnPanel> {
  const { title, type, gridPos, targets = [], fieldConfig, transformations = [] } = panel
  const { unit = 'short', max, thresholds, mappings = [], custom = {} } = fieldConfig?.defaults ?? {}
  const series: DrawnSeries[] = []
  for (const { expr, legendFormat, instant = false } of targets) {
    const query = asked(expr, RATE_INTERVAL)
    const found = instant ? await prometheus.query(query) : await prometheus.queryRange(query, range)
    for (const one of found) series.push(drawnSeries(one, legendFormat, panel, series.length))
  }
  return {
    title,
    type,
    gridPos,
    unit,
    max,
    steps: thresholds?.steps ?? [],
    showSteps: (custom.thresholdsStyle?.mode ?? 'off') !== 'off',
    words: mappings[0]?.options ?? {},
    stacking: custom.stacking?.mode ?? 'none',
    columns: transformations[0]?.options.renameByName ?? {},
    series: type === 'heatmap' ? series : series.toSorted((a, b) => a.name.localeCompare(b.name)),
  }
}

function drawnSeries({ labels, values: points }: Series, legend: string, panel: Panel, index: number): DrawnSeries {
  const name = legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '')
  const fixed = (panel.fieldConfig?.overrides ?? []).find(({ matcher }) =>
    new RegExp(matcher.options.slice(1, -1)).test(name),
  )
  const values = fixed?.properties.map(({ value }) => value) ?? []
  const color = values.find((value) => value.fixedColor !== undefined)?.fixedColor
  const dash = values.find((value) => value.dash !== undefined)?.dash ?? []
  return { name, color: color ?? palette[index % palette.length] ?? '', dash, labels, values: points }
}

// The beginning of Grafana's classic palette.
const palette = ['#7EB26D', '#EAB839', '#6ED0E0', '#EF843C', '#E24D42', '#1F78C1', '#BA43A9', '#705DA0', '#508642']
