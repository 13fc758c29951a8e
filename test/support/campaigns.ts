import type { Client } from '@wns-fanout/client'
import type { Campaign } from '@wns-fanout/domain'
import { classes } from '@wns-fanout/domain'
import { until } from '@wns-fanout/testing'

/** The campaign once nothing of it is pending any more. */
export function finished({ api }: { readonly api: Client }, id: string, timeoutMs = 60_000): Promise<Campaign> {
  return until(
    `campaign ${id} to finish`,
    async () => {
      const campaign = await api.campaign(id)
      sumsUp(campaign)
      return campaign.finishedAt === undefined ? undefined : campaign
    },
    timeoutMs,
  )
}

/** The totals of a campaign sum to its audience at every instant. */
export function sumsUp(campaign: Campaign): void {
  const { audienceSize } = campaign
  const sum = sumOf(campaign)
  if (audienceSize !== null && sum !== audienceSize) throw new Error(`totals sum to ${sum} of ${audienceSize}`)
}

/** Recipients of all classes. */
export function sumOf({ totals }: Campaign): number {
  return classes.reduce((sum, name) => sum + totals[name], 0)
}
