import { readFileSync } from 'node:fs'
import { addresses, dashboards } from '@wns-fanout/dashboards'
import { expect, test } from 'vitest'
import { files, root, textOf } from './files.ts'
import { anchorsOf } from './markdown.ts'
import { metricOf, ownMetrics, problemsOf, usedIn } from './metric-names.ts'

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly description?: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
  readonly links?: readonly { readonly url: string }[]
  readonly fieldConfig: { readonly defaults: { readonly unit?: string } }
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] }
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
  readonly links: readonly { readonly title: string; readonly url: string }[]
}

const names = ['overview', 'delivery', 'internals']
const committed = names.map((name) => JSON.parse(textOf(`infra/grafana/dashboards/${name}.json`)) as Dashboard)
const panels = committed.flatMap((dashboard) =>
  dashboard.panels.filter(({ type }) => type !== 'row').map((panel) => ({ of: dashboard.title, ...panel })),
)

test('the committed dashboards are those of their source; otherwise run pnpm generate:dashboards', () => {
  expect([...dashboards.keys()]).toEqual(names)
  const found = files.filter((file) => /^infra\/grafana\/.*\.json$/.test(file) && !/package\.json|tsconfig/.test(file))
  expect(found).toEqual(names.map((name) => `infra/grafana/dashboards/${name}.json`).toSorted())
  for (const [index, name] of names.entries()) {
    expect(committed[index], name).toEqual(JSON.parse(JSON.stringify(dashboards.get(name))))
  }
})

test('the ConfigMap of Kubernetes has every dashboard, and each is small enough for it', () => {
  const kustomization = textOf('infra/grafana/kustomization.yaml')
  for (const name of names) expect(kustomization).toContain(`dashboards/${name}.json`)
  const sizes = names.map((name) => readFileSync(`${root}/infra/grafana/dashboards/${name}.json`).length)
  // Kubernetes refuses a ConfigMap of more than 1 MiB.
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_000_000)
})

test.each(panels)('the panel "$title" of $of uses existing metrics and has a description and a unit', (panel) => {
  const queries = (panel.targets ?? []).map(({ expr }) => expr)
  expect(queries.length).toBeGreaterThan(0)
  expect(queries.flatMap(problemsOf)).toEqual([])
  expect(queries.every((query) => usedIn(query).length > 0 || query.includes('ALERTS{'))).toBe(true)
  expect(panel.description).toMatch(/\.$/)
  expect(panel.fieldConfig.defaults.unit).toBeTruthy()
})

test.each(panels)('every metric of the panel "$title" of $of is limited by the variables', (panel) => {
  for (const { name, labels } of (panel.targets ?? []).flatMap(({ expr }) => usedIn(expr))) {
    expect(labels, name).toContain('cluster')
    expect(labels, name).toContain('namespace')
  }
})

const anchors = anchorsOf(textOf('docs/operations.md'))
const withRunbook = panels.filter(({ links = [] }) => links.length > 0)

test('most panels lead to the heading of the runbook that helps', () => {
  expect(withRunbook.length).toBeGreaterThan(panels.length / 2)
  for (const { title, links = [] } of withRunbook) {
    const [page, anchor = ''] = links[0]?.url.split('#') ?? []
    expect(page, title).toBe(`${addresses.repository}docs/operations.md`)
    expect(anchors, title).toContain(anchor)
  }
})

test('the dashboards together show each of our metrics', () => {
  const asked = new Set(
    panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => usedIn(expr).map(({ name }) => metricOf(name)))),
  )
  expect(ownMetrics.filter((name) => !asked.has(name))).toEqual([])
})

test.each(committed)('$title has the variables, marks campaigns, and leads to the runbook and the API', (one) => {
  expect(one.templating.list.map(({ name }) => name)).toEqual(['datasource', 'cluster', 'namespace', 'app', 'instance'])
  expect(one.templating.list.flatMap(({ query }) => problemsOf(JSON.stringify(query)))).toEqual([])
  expect(one.annotations.list.map(({ name }) => name)).toContain('Campaigns sending')
  expect(one.annotations.list.flatMap(({ expr }) => problemsOf(expr))).toEqual([])
  expect(one.links.map(({ title }) => title)).toEqual(['Dashboards', 'Runbook', 'API'])
})

test.each(committed)('panels of $title do not overlap, and each has its own id', ({ panels: all }) => {
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  const cells = all.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  )
  expect(new Set(cells).size).toBe(cells.length)
  expect(all.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
})

test('one color means one thing: series of the same name have the same color on all dashboards', () => {
  interface Override {
    readonly matcher: { readonly options: string }
    readonly properties: readonly { readonly value: { readonly fixedColor: string } }[]
  }
  const overrides = panels.flatMap(({ fieldConfig }) => (fieldConfig as { overrides?: Override[] }).overrides ?? [])
  expect(overrides.length).toBeGreaterThan(30)
  const colors = new Map<string, string>()
  for (const { matcher, properties } of overrides) {
    const color = properties[0]?.value.fixedColor ?? ''
    // `none` is a status without an answer in one panel, and recipients that nothing holds in another.
    if (matcher.options === '/^(none)$/' || matcher.options === '/^(.*)$/') continue
    expect(colors.get(matcher.options) ?? color, matcher.options).toBe(color)
    colors.set(matcher.options, color)
  }
})

test('the documentation has a picture of every dashboard', () => {
  const page = textOf('docs/operations.md')
  for (const name of names) {
    expect(page).toContain(`](pictures/${name}.png)`)
    expect(files).toContain(`docs/pictures/${name}.png`)
  }
})
