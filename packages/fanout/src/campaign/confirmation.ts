import { createHash, randomBytes } from 'node:crypto'
import type { AppSettings, CampaignRequest, Estimate } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { Keys, RedisConnection } from '@wns-fanout/state'

interface ConfirmationDeps {
  readonly redis: RedisConnection
  readonly keys: Keys
}

const LIFE_SECONDS = 600
/** Devices register all the time: the audience may have changed by this share, or by this many recipients. */
const tolerance = { share: 0.05, recipients: 100 }

interface Offer {
  readonly request: string
  readonly size: number
}

/** What a dry run offers to confirm; nothing where the campaign needs no confirmation. */
export async function offerConfirmation(
  { redis, keys }: ConfirmationDeps,
  { app, confirmAbove }: AppSettings,
  request: CampaignRequest,
  size: number,
): Promise<Pick<Estimate, 'confirm'>> {
  if (confirmAbove === undefined || size <= confirmAbove) return {}
  const digest = randomBytes(24).toString('base64url')
  const offer: Offer = { request: hashOf(request), size }
  await redis.set(keys.confirmation(app, digest), JSON.stringify(offer), 'EX', LIFE_SECONDS)
  return { confirm: { digest, expiresAt: new Date(Date.now() + LIFE_SECONDS * 1000).toISOString() } }
}

/**
 * The digest that creating the campaign uses up; undefined where it needs none. Throws the Problem
 * `confirmation-needed`.
 *
 * @param size recipients now; undefined for an audience that does not exist yet
 */
export async function checkConfirmation(
  { redis, keys }: ConfirmationDeps,
  { app, confirmAbove }: AppSettings,
  request: CampaignRequest,
  size: number | undefined,
): Promise<string | undefined> {
  if (confirmAbove === undefined || (size !== undefined && size <= confirmAbove)) return undefined
  if (size === undefined)
    throw needed('its audience cannot be counted yet; upload the list, or wait for the end of the campaign, first')
  const why = `it has ${size} recipients, and app ${app} wants a confirmation above ${confirmAbove}`
  const todo = 'send the same request with dryRun: true, then without it and with the digest as confirm'
  const { confirm } = request
  if (confirm === undefined) throw needed(`${why}; ${todo}`)
  const text = await redis.get(keys.confirmation(app, confirm))
  if (text === null) throw needed(`its confirm was used, or is older than 10 minutes; ${todo}`)
  const offer = JSON.parse(text) as Offer
  if (offer.request !== hashOf(request)) throw needed(`its confirm is of another request; ${todo}`)
  if (Math.abs(size - offer.size) > Math.max(tolerance.recipients, tolerance.share * offer.size))
    throw needed(`it has ${size} recipients, and its dry run had ${offer.size}; ${todo}`)
  return confirm
}

/** The Problem of a campaign whose digest another request used at the same time. */
export function usedConfirmation(): Problem {
  return needed('its confirm was used by another campaign; make another dry run')
}

function needed(detail: string): Problem {
  return new Problem('confirmation-needed', `the campaign is not confirmed: ${detail}`)
}

/** Of what is sent, to which recipients and how, whatever the order of the fields is. */
function hashOf({ dryRun: _, confirm: __, ...request }: CampaignRequest): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(request)))
    .digest('hex')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => sorted(item))
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, item]) => [name, sorted(item)])
}
