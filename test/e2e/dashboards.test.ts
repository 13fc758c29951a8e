import { join } from 'node:path'
import type { CampaignRequest } from '@wns-fanout/domain'
import { type TemporaryFolder, temporaryFolder } from '@wns-fanout/local'
import { repeat, until } from '@wns-fanout/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { asked, committedDashboard, dashboardNames } from '../support/dashboards.ts'
import { type Prometheus, prometheusFolders, startPrometheus } from '../support/prometheus.ts'
import { type TestStack, startTestStack } from '../support/stack.ts'

const panels = dashboardNames.flatMap((name) =>
  committedDashboard(name).panels.flatMap(({ title, targets = [], fieldConfig }) =>
    targets.map(({ expr }) => ({ name, title, expr, unit: fieldConfig?.defaults.unit ?? '' })),
  ),
)
const annotations = dashboardNames.flatMap((name) => committedDashboard(name).annotations.list)

describe.each(await prometheusFolders())('a Prometheus of %s that scrapes a live stack', (folder) => {
  let temporary: TemporaryFolder
  let stack: TestStack
  let prometheus: Prometheus
  let range: { start: number; end: number; step: number }

  beforeAll(async () => {
    temporary = await temporaryFolder('wns-fanout-dashboards-')
    stack = await startTestStack()
    const worker = await stack.startWorker()
    prometheus = await startPrometheus({ folder, dir: join(temporary.path, 'prometheus') })
    await prometheus.scrape({ api: [stack.apiOps], worker: [worker.ops] })
    // Answers of every kind, and a second campaign that still sends when the queries are asked.
    const behaviors = [...repeat(300), ...repeat(20, 'gone'), ...repeat(5, 'dropped'), ...repeat(5, 'badheader')]
    await registerApp(stack, 'news', behaviors)
    await registerApp(stack, 'slow', repeat(4000), { ratePerSecond: 20 })
    await scraped('the app', 'wns_fanout_sends_total{app="slow"}')
    await finished(stack, (await stack.api.createCampaign('news', { ...tile, maxDeadShare })).id)
    const { id } = await stack.api.createCampaign('slow', tile)
    await scraped('posts of the second campaign', 'rate(wns_fanout_http_responses_total{app="slow"}[5s]) > 0')
    await scraped('the end of the first', 'increase(wns_fanout_campaign_duration_seconds_count{app="news"}[1m]) > 0')
    await scraped('a checkpoint', 'rate(wns_fanout_checkpoint_duration_seconds_count[5s]) > 0')
    await scraped('the backlog', 'wns_fanout_backlog_recipients{app="slow"} > 0')
    await until('Prometheus to have requests of the API', async () => {
      await stack.api.campaign(id)
      return (await prometheus.query('rate(wns_fanout_api_request_duration_seconds_count[5s]) > 0')).length > 0
    })
    const end = Date.now() / 1000
    range = { start: end - 120, end, step: 1 }
  })
  afterAll(async () => {
    await prometheus?.[Symbol.asyncDispose]()
    await stack?.[Symbol.asyncDispose]()
    await temporary?.remove()
  })

  async function scraped(what: string, expr: string): Promise<void> {
    await until(`Prometheus to have ${what}`, async () => (await prometheus.query(expr)).length > 0, 60_000)
  }

  test.each(panels)('$name, "$title": $expr has sane values', async ({ expr, unit }) => {
    const series = await prometheus.queryRange(asked(expr, '5s'), range)
    // Nothing is wrong here, and no app has a webhook.
    if (expr.startsWith('ALERTS{') || expr.includes('wns_fanout_webhook_undelivered_seconds'))
      return expect(series).toEqual([])
    const values = series.flatMap((one) => one.values.map(([, value]) => value)).filter((value) => !Number.isNaN(value))
    expect(values.length).toBeGreaterThan(0)
    // A quantile above the last bucket is its limit, never infinite; nothing here is negative.
    expect(values.every((value) => Number.isFinite(value) && value >= 0)).toBe(true)
    if (unit === 'percentunit') expect(Math.max(...values)).toBeLessThanOrEqual(1.001)
  })

  test('the marks show the campaign that sends, the one that ended, and the start of the processes', async () => {
    const marked = new Map<string, string[]>()
    for (const { name, expr } of annotations) {
      const series = await prometheus.queryRange(asked(expr, '5s'), range)
      marked.set(name, series.map(({ labels }) => labels['app'] ?? labels['job'] ?? '').toSorted())
    }
    expect(marked.get('Campaigns sending')).toContain('slow')
    expect(marked.get('Campaigns ended')).toContain('news')
    expect(marked.get('Processes started')).toEqual(['wns-fanout-api', 'wns-fanout-worker'])
  })
})

const maxDeadShare = { share: 0.5, reason: 'one of sixteen is dead in this test' }
const tile: CampaignRequest = {
  notification: { type: 'tile', content: { medium: { lines: ['Hello'] } } },
  audience: { all: true },
}
