import type { Client } from '@wns-fanout/client'
import type { Campaign, Result } from '@wns-fanout/domain'
import { explain } from '../explain.ts'
import type { Check } from './checks.ts'

/** Longest wait for the answer of WNS, including retries. */
const PATIENCE_MS = 30_000

/**
 * Posts one raw notification to one channel and explains the answer of WNS. A raw notification shows nothing on the
 * device: it wakes the app's code if that runs, and is dropped otherwise. With `no-cache` WNS does not keep it.
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
      // A probe of a device that sleeps must not end the raw notifications to it.
      keepRawGates: true,
      update: 'personalized',
      delivery: 'at-most-once',
      priority: 'urgent',
      expiresAt: new Date(Date.now() + PATIENCE_MS).toISOString(),
    })
    const campaign = await ended(api, id, signal)
    const [result] = await Array.fromAsync(api.results(id))
    if (result === undefined) return { state: 'fail', what, found: 'the channel is not registered', todo: REGISTER }
    const { items } = await api.samples(id)
    const description = items[0]?.description
    return {
      ...verdictOn(result, campaign),
      what,
      ...(description === undefined
        ? {}
        : { found: `${verdictOn(result, campaign).found} (description from WNS: ${description})` }),
    }
  } catch (error) {
    return { state: 'fail', what, found: explain(error).message }
  }
}

const REGISTER = 'the app on the device must register again with a fresh channel URI'

async function ended(api: Client, id: string, signal: AbortSignal): Promise<Campaign> {
  let latest: Campaign | undefined
  for await (const campaign of api.watch(id, { signal })) latest = campaign
  if (latest === undefined) throw new Error(`no progress of campaign ${id} was received`)
  return latest
}

type Verdict = Pick<Check, 'state' | 'found' | 'todo'>

/** What an outcome means for an operator who finds out why no notification arrives. */
export function verdictOn({ class: outcome, reason, status }: Result, campaign: Pick<Campaign, 'reason'>): Verdict {
  switch (outcome) {
    case 'accepted':
      return {
        state: 'ok',
        found:
          'WNS accepted it; if other notifications do not show, check their payload and the settings of the device',
      }
    case 'dropped':
      return {
        state: 'ok',
        found:
          'WNS knows the channel but dropped the post: the device is offline, the app does not run, ' +
          'or the user turned notifications off',
      }
    case 'gated':
      return {
        state: 'warn',
        found: 'not posted: WNS dropped earlier raw notifications, so they wait until the app reports that it runs',
        todo: 'call POST /v1/apps/{app}/channels/{channel}/active when the app starts',
      }
    case 'dead':
      return {
        state: 'fail',
        found:
          status === 404
            ? 'WNS does not know the channel (404); it was removed'
            : 'the channel expired (410); it was removed',
        todo: REGISTER,
      }
    case 'rejected':
      return rejection(reason)
    case 'failed':
      return {
        state: 'fail',
        found: `all attempts failed (${reason ?? 'unknown'})`,
        todo: 'check the metric wns_fanout_http_responses_total and the worker logs',
      }
    case 'in_doubt':
      return {
        state: 'warn',
        found: 'posted, but no answer came, so the outcome is unknown',
        todo: 'try again; if it persists, check the network between the workers and WNS',
      }
    case 'suppressed':
      return {
        state: 'warn',
        found:
          reason === 'opt-out'
            ? 'not posted: the channel opted out'
            : 'not posted: the guard interval since its last notification has not passed',
      }
    case 'unregistered':
      return { state: 'fail', found: 'the channel was removed before the post', todo: REGISTER }
    case 'cancelled':
      return {
        state: 'fail',
        found: `not posted: the campaign was cancelled or halted (${campaign.reason ?? 'cancelled'})`,
      }
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
        found: 'WNS answered 403: the channel belongs to another app than the credentials',
        todo:
          'check which app registered the channel; for a packaged app with an Entra identity, ' +
          'check that its package family name is mapped',
      }
    case 'blocked':
      return {
        state: 'fail',
        found: 'WNS blocks this sender (410)',
        todo: 'ask Microsoft for the reason; the channel was kept',
      }
    default:
      return {
        state: 'fail',
        found: `WNS rejected it permanently (${reason ?? 'unknown'})`,
        todo: 'this is a bug in wns-fanout; please report it',
      }
  }
}
