export interface LanePoolOptions {
  /** Maximum number of connections, over all origins. Default 256. */
  readonly lanes?: number
  /** Longest time from `tryPost` to the outcome, whatever the server does, plus at most 250 ms. Default 10,000. */
  readonly deadlineMs?: number
  /** Share of the lanes that an origin gets before it has shown that it answers. Default 0.5. */
  readonly maxPerOriginShare?: number
  /**
   * Lanes of an origin that may connect at once while none is connected; later as many as are connected. A post on a
   * new lane waits for its handshake, and hundreds of handshakes wait for each other: all of those posts would leave in
   * one moment, long after they were permitted. Default 2.
   */
  readonly connectingAtFirst?: number
  /** A lane without a post is closed after this time. Default 60,000. */
  readonly idleMs?: number
}

/** The options with their defaults. Throws a RangeError that names the option for a value out of range. */
export function withDefaults(options: LanePoolOptions): Required<LanePoolOptions> {
  const { lanes = 256, deadlineMs = 10_000, maxPerOriginShare = 0.5, idleMs = 60_000, connectingAtFirst = 2 } = options
  if (!Number.isSafeInteger(lanes) || lanes < 1)
    throw new RangeError(`lanes must be an integer of at least 1; found ${lanes}`)
  if (!(deadlineMs > 0) || !(idleMs > 0))
    throw new RangeError(`deadlineMs and idleMs must be above 0; found ${deadlineMs} and ${idleMs}`)
  if (!(connectingAtFirst >= 1))
    throw new RangeError(`connectingAtFirst must be at least 1; found ${connectingAtFirst}`)
  if (!(maxPerOriginShare > 0 && maxPerOriginShare <= 1))
    throw new RangeError(`maxPerOriginShare must be above 0 and at most 1; found ${maxPerOriginShare}`)
  return { lanes, deadlineMs, maxPerOriginShare, idleMs, connectingAtFirst }
}
