import type { AppId } from '@wns-fanout/domain'
import { PAGE_BYTES, pagesFor, popcount } from '@wns-fanout/domain'
import type { Keys } from './keys.ts'
import { TEMPORARY_SECONDS } from './marking.ts'
import type { RedisConnection } from './redis.ts'
import { loadScript } from './scripts.ts'

const waveScript = loadScript('audience-wave')

/** Time zones whose channels get a campaign at the same instant. */
export interface ZoneGroup {
  /** Undefined for zones that are left out. */
  readonly dueAtMs: number | undefined
  /** When the send window closes that the instant is in; absent without a window. */
  readonly closesAtMs?: number | undefined
  readonly timeZones: readonly string[]
  /** Does the group have the channels without a time zone too? True for one group. */
  readonly hasDefault: boolean
}

/** The recipients of a campaign that are due at the same instant. */
export interface StoredWave {
  readonly dueAtMs: number
  /** When the send window closes that the instant is in; absent without a window. */
  readonly closesAtMs?: number | undefined
  readonly recipients: number
  readonly timeZones: readonly string[]
}

export interface DividedAudience {
  /** In the order of the bitmap, which is that of the instants. */
  readonly waves: readonly StoredWave[]
  /** Pages of each wave in the bitmap. */
  readonly wavePages: number
  /** Recipients of all waves. */
  readonly size: number
  /** Channels that were left out. */
  readonly leftOut: number
}

/** The time zones that channels of an app have or had, in the order of their names. */
export async function timeZonesOf(redis: RedisConnection, keys: Keys, app: AppId): Promise<readonly string[]> {
  return (await redis.smembers(keys.zones(app))).toSorted()
}

/** How many channels of an audience each group has: what `divideIntoWaves` would make of it. */
export async function countWaves(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  audience: Uint8Array,
  groups: readonly ZoneGroup[],
): Promise<Pick<DividedAudience, 'waves' | 'leftOut'>> {
  const left = Buffer.from(audience)
  const counts = new Map<ZoneGroup, number>()
  for (const group of groups)
    for (const timeZone of group.timeZones) {
      const bits = await redis.getBuffer(keys.zone(app, timeZone))
      if (bits !== null) counts.set(group, (counts.get(group) ?? 0) + takeBits(left, bits))
    }
  const waves: StoredWave[] = []
  let leftOut = 0
  for (const group of inOrder(groups)) {
    const { dueAtMs, closesAtMs, timeZones, hasDefault } = group
    const recipients = (counts.get(group) ?? 0) + (hasDefault ? popcount(left) : 0)
    if (dueAtMs === undefined) leftOut += recipients
    else if (recipients > 0) waves.push({ dueAtMs, closesAtMs, recipients, timeZones })
  }
  return { waves, leftOut }
}

/** In the order of their waves; groups that are left out come first. */
function inOrder(groups: readonly ZoneGroup[]): readonly ZoneGroup[] {
  return groups.toSorted((a, b) => (a.dueAtMs ?? 0) - (b.dueAtMs ?? 0))
}

/** Move the bits of a zone out of an audience; returns how many there were. */
function takeBits(audience: Buffer, zone: Uint8Array): number {
  const length = Math.min(audience.length, zone.length)
  const taken = Buffer.alloc(length)
  for (let at = 0; at < length; at += 1) {
    taken[at] = (audience[at] ?? 0) & (zone[at] ?? 0)
    audience[at] = (audience[at] ?? 0) ^ (taken[at] ?? 0)
  }
  return popcount(taken)
}

/**
 * Divide an evaluated audience at `source`, which is used up, into waves: one bitmap at `destination`, with one wave
 * after the other, each of the same number of pages. Each channel is in one wave, or left out. A channel whose zone
 * changes meanwhile may be in the wave of either zone.
 */
export async function divideIntoWaves(
  redis: RedisConnection,
  keys: Keys,
  app: AppId,
  { source, destination }: { readonly source: string; readonly destination: string },
  groups: readonly ZoneGroup[],
): Promise<DividedAudience> {
  const wavePages = Math.max(1, pagesFor((await redis.strlen(source)) * 8))
  const ordered = inOrder(groups)
  const waves: StoredWave[] = []
  let leftOut = 0
  const move = async (
    { dueAtMs, closesAtMs, timeZones }: ZoneGroup,
    mode: 'in' | 'not',
    zones: readonly string[],
  ): Promise<void> => {
    const offset = dueAtMs === undefined ? '' : waves.length * wavePages * PAGE_BYTES
    const args = [mode, offset, TEMPORARY_SECONDS, ...zones]
    const count = Number(await waveScript.run(redis, [keys.base(app), source, destination], args))
    if (dueAtMs === undefined) leftOut += count
    else if (count > 0) waves.push({ dueAtMs, closesAtMs, recipients: count, timeZones })
  }
  for (const [at, group] of ordered.entries())
    if (!group.hasDefault) await move(group, 'in', group.timeZones)
    else
      await move(
        group,
        'not',
        ordered.slice(at + 1).flatMap(({ timeZones }) => timeZones),
      )
  // Channels whose zone changed to that of an earlier wave meanwhile.
  const last = ordered.find(({ hasDefault }) => hasDefault)
  if (last !== undefined) await move({ ...last, timeZones: [] }, 'not', [])
  await redis.unlink(source)
  return { waves, wavePages, size: waves.reduce((sum, { recipients }) => sum + recipients, 0), leftOut }
}
