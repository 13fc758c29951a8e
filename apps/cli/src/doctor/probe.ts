import type { Client, Result } from '@wns-fanout/client'
import type { Campaign } from '@wns-fanout/domain'
import { explain } from '../explain.ts'
import type { Check } from './checks.ts'

/** How long the answer of WNS is waited for, retries included. */
const PATIENCE_MS = 30_000

/**
 * Post one raw notification to one channel and say in words what WNS answered. Raw shows nothing on the device: it wakes
 * the app's own code if that runs, and is dropped otherwise. With `no-cache` it is not kept for later either.
 */
export async function probeChannel(api: Client, app: string, channel: string, signal: AbortSignal): Promise<Check> {
  const what = `post to ${channel}`
  try {
    const { id } = await api.createCampaign(app, {
      name: 'doctor',
      notification: {
        type: 'raw',
        text: 'wns-fanout doctor',
        cachePolicy: 'no-cache',
        requestForStatus: true,
        ttlSeconds: 60,
      },
      audience: { channels: [channel] },
      update: 'personalized',
      delivery: 'at-most-once',
      priority: 'urgent',
      expiresAt: new Date(Date.now() + PATIENCE_MS).toISOString(),
    })
    const campaign = await ended(api, id, signal)
    const [result] = await Array.fromAsync(api.results(id))
    if (result === undefined) return { state: 'fail', what, found: 'the channel is not registered', todo: REGISTER }
    const { items } = await api.samples(id)
    const said = items[0]?.description
    return {
      ...verdictOn(result, campaign),
      what,
      ...(said === undefined ? {} : { found: `${verdictOn(result, campaign).found} (WNS says: ${said})` }),
    }
  } catch (error) {
    return { state: 'fail', what, found: explain(error).message }
  }
}

const REGISTER = 'the app on the device must register again with a fresh channel URI'

async function ended(api: Client, id: string, signal: AbortSignal): Promise<Campaign> {
  let latest: Campaign | undefined
  for await (const campaign of api.watch(id, { signal })) latest = campaign
  if (latest === undefined) throw new Error(`nothing was heard of campaign ${id}`)
  return latest
}

type Verdict = Pick<Check, 'state' | 'found' | 'todo'>

/** What an outcome means to somebody who wonders why nothing arrives. */
export function verdictOn({ class: outcome, reason, status }: Result, campaign: Pick<Campaign, 'reason'>): Verdict {
  switch (outcome) {
    case 'accepted':
      return {
        state: 'ok',
        found:
          'WNS took it; if nothing shows for other notifications, look at the payload and the settings of the device',
      }
    case 'dropped':
      return {
        state: 'ok',
        found:
          'WNS knows the channel, and did not pass this on: the device is offline, the app does not run, or its user has turned notifications off',
      }
    case 'gated':
      return {
        state: 'warn',
        found: 'not posted: raw notifications were dropped before, so they wait until the app says that it runs',
        todo: 'POST /v1/apps/{app}/channels/{channel}/active when the app starts',
      }
    case 'dead':
      return {
        state: 'fail',
        found:
          status === 404
            ? 'WNS does not know this address (404); it was removed'
            : 'the address is finished (410); it was removed',
        todo: REGISTER,
      }
    case 'rejected':
      return rejection(reason)
    case 'failed':
      return {
        state: 'fail',
        found: `no good answer after several tries (${reason ?? 'unknown'})`,
        todo: 'see wns_fanout_http_responses_total and the log of the workers',
      }
    case 'in_doubt':
      return {
        state: 'warn',
        found: 'it was sent and no answer came, so nobody can tell',
        todo: 'try again; if it stays so, look at the network between the workers and WNS',
      }
    case 'suppressed':
      return {
        state: 'warn',
        found:
          reason === 'opt-out'
            ? 'not posted: the channel has opted out'
            : 'not posted: the guard keeps it from getting another one now',
      }
    case 'unregistered':
      return { state: 'fail', found: 'the channel was removed before it was posted to', todo: REGISTER }
    case 'cancelled':
      return { state: 'fail', found: `not posted: the campaign was stopped (${campaign.reason ?? 'cancelled'})` }
    case 'lapsed':
    case 'pending':
      return {
        state: 'fail',
        found: `not posted within ${PATIENCE_MS / 1000} s${campaign.reason === undefined ? '' : ` (${campaign.reason})`}`,
        todo: 'check that a worker runs, that the app is not paused and that its breaker is closed',
      }
    default:
      return outcome satisfies never
  }
}

function rejection(reason: string | undefined): Verdict {
  switch (reason) {
    case 'forbidden':
      return {
        state: 'fail',
        found: 'WNS answers 403: this channel belongs to another app than the credentials',
        todo: 'check which app registered it; for a packaged app with an Entra identity, that its package family name is mapped',
      }
    case 'blocked':
      return {
        state: 'fail',
        found: 'WNS has blocked this sender (410)',
        todo: 'ask Microsoft why; the channel was kept',
      }
    default:
      return {
        state: 'fail',
        found: `WNS refuses it for good (${reason ?? 'unknown'})`,
        todo: 'this is a fault of the sender; please report it',
      }
  }
}
