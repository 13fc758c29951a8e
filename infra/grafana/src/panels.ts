import type { Builder } from '@grafana/grafana-foundation-sdk/cog'
import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard'
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapBuilder,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap'
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat'
import { PanelBuilder as TimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline'
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table'
import { PanelBuilder as GraphBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { addresses } from './addresses.ts'
import { type ColorsByName, GREEN } from './colors.ts'

export const source = { type: 'prometheus', uid: '${datasource}' }

export interface Query {
  readonly expr: string
  /** The name of its series, with labels such as `{{app}}`. */
  readonly legend: string
}

/** From `value` on, the panel has this color. The first step is the color below all others. */
export interface Step {
  readonly value?: number
  readonly color: string
}

interface Common {
  readonly title: string
  /** What the panel shows, and what is normal. */
  readonly description: string
  readonly queries: readonly Query[]
  /** Grafana's id of the unit. */
  readonly unit: string
  /** Of 24 columns. */
  readonly width: number
  /** The heading of docs/operations.md that helps when the panel looks wrong. */
  readonly runbook?: string
  readonly steps?: readonly Step[]
  readonly max?: number
}

interface Stat extends Common {
  /** Words and colors instead of numbers. */
  readonly words?: Readonly<Record<string, Step & { readonly text: string }>>
}

interface Graph extends Common {
  readonly colors?: ColorsByName
  /** Values add up: their sum is shown, or with `percent` the share of each. */
  readonly stack?: 'sum' | 'percent'
}

const HEIGHT = 8
const STAT_HEIGHT = 4

/** The last value, large. */
export function stat(text: Stat): Builder<Panel> {
  const builder = new StatBuilder()
    .graphMode(text.words === undefined ? BigValueGraphMode.Area : BigValueGraphMode.None)
    .colorMode(BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).fields('').values(false))
    .mappings(wordsOf(text.words ?? {}))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .noValue('no data')
  return withCommon(builder, text, STAT_HEIGHT)
}

/** Values over time. */
export function graph(text: Graph): Builder<Panel> {
  const { colors = {}, stack, steps } = text
  const builder = new GraphBuilder()
    .drawStyle(GraphDrawStyle.Line)
    .lineWidth(1)
    .fillOpacity(stack === undefined ? 0 : 60)
    .showPoints(VisibilityMode.Never)
    .min(0)
    .stacking(new StackingConfigBuilder().mode(stackings[stack ?? 'none']).group('A'))
    .thresholdsStyle(
      new GraphThresholdsStyleConfigBuilder().mode(
        steps === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed,
      ),
    )
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassicByName))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  for (const [name, color] of Object.entries(colors)) {
    const dashes = limits.test(name) ? [dashed] : []
    builder.overrideByRegexp(`/^(${name})$/`, [colored(color), ...dashes])
  }
  return withCommon(builder, text, HEIGHT)
}

// A limit is no measured value.
const limits = /allowed|configured|wanted|limit/
const dashed: DynamicConfigValue = { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } }

const stackings = { none: StackingMode.None, sum: StackingMode.Normal, percent: StackingMode.Percent }

/** The distribution of a histogram over time. Each query returns buckets by `le`. */
export function heatmap(text: Common): Builder<Panel> {
  const builder = new HeatmapBuilder()
    .calculate(false)
    .color(new HeatmapColorOptionsBuilder().mode(HeatmapColorMode.Scheme).scheme('Spectral').steps(64).reverse(true))
    .yAxis(new YAxisConfigBuilder().unit(text.unit))
    .cellGap(1)
    .showLegend()
  return withCommon(builder, text, HEIGHT, PromQueryFormat.Heatmap)
}

/** Which of several conditions hold, over time: 0 is fine, 1 is not. */
export function timeline(text: Common & { readonly words: NonNullable<Stat['words']> }): Builder<Panel> {
  const builder = new TimelineBuilder()
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .rowHeight(0.8)
    .mappings(wordsOf(text.words))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Hidden)
        .placement(LegendPlacement.Bottom)
        .showLegend(false),
    )
  return withCommon(builder, text, HEIGHT)
}

/** The labels of the series that exist now. */
export function table(text: Common & { readonly columns: Readonly<Record<string, string>> }): Builder<Panel> {
  const { columns } = text
  const builder = new TableBuilder().noValue('none').withTransformation({
    id: 'organize',
    options: {
      includeByName: Object.fromEntries(Object.keys(columns).map((label) => [label, true])),
      indexByName: Object.fromEntries(Object.keys(columns).map((label, index) => [label, index])),
      renameByName: columns,
    },
  })
  return withCommon(builder, text, HEIGHT, PromQueryFormat.Table)
}

type AnyBuilder = StatBuilder | GraphBuilder | HeatmapBuilder | TimelineBuilder | TableBuilder

function withCommon(builder: AnyBuilder, text: Common, height: number, format?: PromQueryFormat): Builder<Panel> {
  const { title, description, queries, unit, width, runbook, max, steps = [{ color: GREEN }] } = text
  builder.title(title).description(description).datasource(source).unit(unit).height(height).span(width)
  builder.thresholds(
    new ThresholdsConfigBuilder()
      .mode(ThresholdsMode.Absolute)
      .steps(steps.map(({ value, color }) => ({ value: value ?? null, color }))),
  )
  if (max !== undefined) builder.max(max)
  for (const [index, query] of queries.entries()) builder.withTarget(target(query, index, format))
  if (runbook !== undefined) {
    builder.links([
      new DashboardLinkBuilder('Runbook')
        .type(DashboardLinkType.Link)
        .url(`${addresses.repository}docs/operations.md#${runbook}`)
        .targetBlank(true),
    ])
  }
  return builder
}

function target({ expr, legend }: Query, index: number, format = PromQueryFormat.TimeSeries): DataqueryBuilder {
  const query = new DataqueryBuilder()
    .refId(String.fromCodePoint('A'.codePointAt(0)! + index))
    .datasource(source)
    .expr(expr)
    .legendFormat(legend)
    .format(format)
  return format === PromQueryFormat.Table ? query.instant() : query.range()
}

function wordsOf(words: NonNullable<Stat['words']>): ValueMapping[] {
  const options = Object.fromEntries(
    Object.entries(words).map(([value, { text, color }], index) => [value, { text, color, index }]),
  )
  return Object.keys(words).length === 0 ? [] : [{ type: MappingType.ValueToText, options }]
}

function colored(color: string): DynamicConfigValue {
  return { id: 'color', value: { mode: 'fixed', fixedColor: color } }
}
