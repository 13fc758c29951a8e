import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  AnnotationQueryBuilder,
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard'
import { addresses } from './addresses.ts'
import { BLUE, GREEN, ORANGE } from './colors.ts'
import { source } from './panels.ts'
import { installation, series } from './series.ts'

export interface Content {
  /** The last part of its address, `wns-fanout-<name>`. */
  readonly name: string
  readonly title: string
  readonly description: string
  readonly rows: Readonly<Record<string, readonly Builder<Panel>[]>>
}

/** A dashboard: what all have in common, and its own rows. */
export function dashboard({ name, title, description, rows }: Content): Dashboard {
  const builder = new DashboardBuilder(`wns-fanout / ${title}`)
    .uid(`wns-fanout-${name}`)
    .description(description)
    .tags(['wns-fanout'])
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .variables([
      new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'),
      variable('cluster', 'Cluster', 'wns_fanout_build_info'),
      variable('namespace', 'Namespace', 'wns_fanout_build_info{cluster=~"$cluster"}'),
      variable('app', 'App', 'wns_fanout_channels{cluster=~"$cluster",namespace=~"$namespace"}'),
      variable('instance', 'Instance', 'wns_fanout_build_info{cluster=~"$cluster",namespace=~"$namespace"}'),
    ])
    .links([
      new DashboardLinkBuilder('Dashboards')
        .type(DashboardLinkType.Dashboards)
        .tags(['wns-fanout'])
        .asDropdown(false)
        .includeVars(true)
        .keepTime(true),
      link('Runbook', `${addresses.repository}docs/operations.md`),
      link('API', `${addresses.api}/docs`),
    ])
    .annotations(annotations.map(annotation))
  for (const [row, panels] of Object.entries(rows)) {
    builder.withRow(new RowBuilder(row))
    for (const panel of panels) builder.withPanel(panel)
  }
  return withIds(builder.build())
}

/** An id for each panel and row, so that Grafana keeps links to them. */
function withIds(made: Dashboard): Dashboard {
  return { ...made, panels: (made.panels ?? []).map((panel, index) => ({ ...panel, id: index + 1 })) }
}

// All values match series without the label too: only some installations have a cluster or a namespace.
function variable(name: string, label: string, of: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .query({ query: `label_values(${of}, ${name})`, refId: name })
    .definition(`label_values(${of}, ${name})`)
    .datasource(source)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: 'All', value: '$__all' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
}

function link(title: string, url: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).icon('external link').targetBlank(true)
}

interface Annotation {
  readonly name: string
  readonly expr: string
  readonly title: string
  readonly text: string
  readonly color: string
}

// Each point above 0 is marked; points without a gap become one region.
const annotations: readonly Annotation[] = [
  {
    name: 'Campaigns sending',
    expr: `${installation('app', series('campaigns', 'state="sending"'))} > 0`,
    title: 'Sending',
    text: '{{app}}',
    color: BLUE,
  },
  {
    name: 'Campaigns ended',
    expr: `sum by (app, state, reason) (increase(${series('campaigns_ended_total')}[1m])) > 0`,
    title: 'Ended: {{state}}',
    text: '{{app}} {{reason}}',
    color: GREEN,
  },
  {
    name: 'Processes started',
    expr: `count by (job) (time() - ${series('process_start_time_seconds')} < 60) > 0`,
    title: 'Started',
    text: '{{job}}',
    color: ORANGE,
  },
]

function annotation({ name, expr, title, text, color }: Annotation): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .datasource(source)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .step('60s')
    .titleFormat(title)
    .textFormat(text)
}
