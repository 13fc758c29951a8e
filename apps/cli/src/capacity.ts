/** Figures that the benchmarks printed last, on one machine with two shared cores; docs/performance.md has them all. */
export const measured = {
  /** CPU of a worker per post, the higher end of the range; `pnpm bench send`. */
  workerMicrosPerPost: 56,
  /** CPU of Redis per post, `redisVsPool` times the CPU of `Pool.request` (0.17 × 75); `pnpm bench send`. */
  redisMicrosPerPost: 13,
  /** Rate ÷ (lanes ÷ round trip); `pnpm bench scale`. */
  laneEfficiency: 0.97,
  /** Redis memory of a channel with a URI of 189 bytes; `overheadBytes` of `pnpm bench registry` is without the URI. */
  bytesPerChannel: 143 + 189,
  /** Redis memory of a campaign per recipient; `pnpm bench send`. The audience is a bitmap. */
  bytesPerRecipient: 1.9 + 1 / 8,
  /** Resident memory of a worker with one app, and what 1,999 more add; `pnpm bench apps`. */
  workerMb: 177,
  mbPerFurtherApp: (650 - 177) / 1999,
  /** Connections of a worker to Redis besides one for each app; `pnpm bench apps`. */
  workerConnections: 3,
} as const

/** Workers and Redis should not be busier than this, and the API rejects campaigns above this share of memory. */
const USE = 0.8

export interface CapacityNeeds {
  /** Devices of all apps together. */
  readonly devices: number
  readonly apps: number
  /** Limit of each app, in posts per second. */
  readonly ratePerApp: number
  /** From a post to its answer. */
  readonly roundTripMs: number
  /** `WNS_FANOUT_LANES` of a worker. */
  readonly lanesPerWorker: number
  /** Campaigns to all devices of each app that are kept at a time. */
  readonly keptCampaigns: number
}

export interface Capacity {
  /** All apps at their limit. */
  readonly postsPerSecond: number
  /** Duration of a campaign to all devices, if each app has the same number of them. */
  readonly campaignSeconds: number
  readonly lanes: number
  /** Workers, of one core each. */
  readonly workers: number
  /** Whether CPU or lanes decide the number of workers. */
  readonly limitedBy: 'cpu' | 'lanes'
  readonly workerMemoryMb: number
  readonly redisMemoryMb: number
  /** Cores of Redis that are busy with posts. */
  readonly redisCores: number
  readonly redisConnections: number
  readonly warnings: readonly string[]
}

/** What an installation needs when every app sends at its limit. */
export function planCapacity(needs: CapacityNeeds): Capacity {
  const postsPerSecond = needs.apps * needs.ratePerApp
  const lanes = Math.ceil((postsPerSecond * needs.roundTripMs) / 1000 / measured.laneEfficiency)
  const forCpu = Math.ceil((postsPerSecond * measured.workerMicrosPerPost) / 1e6 / USE)
  const forLanes = Math.ceil(lanes / needs.lanesPerWorker)
  const workers = Math.max(forCpu, forLanes, 1)
  const bytes = needs.devices * (measured.bytesPerChannel + needs.keptCampaigns * measured.bytesPerRecipient)
  const redisCores = (postsPerSecond * measured.redisMicrosPerPost) / 1e6
  return {
    postsPerSecond,
    campaignSeconds: Math.ceil(needs.devices / postsPerSecond),
    lanes,
    workers,
    limitedBy: forLanes > forCpu ? 'lanes' : 'cpu',
    workerMemoryMb: Math.ceil(measured.workerMb + (needs.apps - 1) * measured.mbPerFurtherApp),
    redisMemoryMb: Math.ceil(bytes / USE / 1e6),
    redisCores: Math.round(redisCores * 1000) / 1000,
    redisConnections: workers * (needs.apps + measured.workerConnections),
    warnings: warningsOf(needs, redisCores),
  }
}

function warningsOf({ apps, ratePerApp }: CapacityNeeds, redisCores: number): readonly string[] {
  const coresOfAnApp = (ratePerApp * measured.redisMicrosPerPost) / 1e6
  if (redisCores <= USE) return []
  if (apps > 1 && coresOfAnApp <= USE)
    return ['one Redis server is too slow for all apps; a cluster divides them among several']
  return ['one Redis server is too slow for the rate of one app, and a cluster does not divide an app']
}
