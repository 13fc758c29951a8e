import type { Metrics } from '@wns-fanout/runtime'
import type { ApiDeps } from './deps.ts'

/** How long events have been waiting for webhooks, read from Redis at each scrape: it shows without a leader, too. */
export async function collectWebhookGauges(
  metrics: Metrics,
  { webhooks }: Pick<ApiDeps, 'webhooks'>,
  signal: AbortSignal,
): Promise<void> {
  const nowMs = await webhooks.redisNowMs()
  const ages = new Map<string, number>()
  for (const app of await webhooks.apps()) {
    signal.throwIfAborted()
    const oldestMs = await webhooks.oldestUndeliveredMs(app)
    const label = metrics.appLabel(app)
    const seconds = oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs) / 1000
    ages.set(label, Math.max(seconds, ages.get(label) ?? 0))
  }
  metrics.webhookOldest.reset()
  for (const [app, seconds] of ages) metrics.webhookOldest.set({ app }, seconds)
}
