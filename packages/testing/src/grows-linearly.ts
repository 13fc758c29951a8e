const FACTOR = 4
/** Linear growth costs 4 times as much, quadratic growth 16 times. */
const MAX_GROWTH = 8
/** The smaller input is repeated until it uses this much CPU, since the clock counts whole microseconds. */
const MIN_SAMPLE_MICROSECONDS = 1000
const [LEAST_ATTEMPTS, MOST_ATTEMPTS] = [3, 12]

/**
 * Whether `run` on four times the size uses less than eight times the CPU time. `run` gets the size. No limit is
 * absolute, and the cheapest attempts are compared, so that neither a slow nor a busy machine changes the result.
 */
export function growsLinearly(size: number, run: (size: number) => unknown): boolean {
  let rounds = 1
  while (cpuMicroseconds(rounds, () => run(size)) < MIN_SAMPLE_MICROSECONDS) rounds *= 2
  let small = Number.POSITIVE_INFINITY
  let large = Number.POSITIVE_INFINITY
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    small = Math.min(
      small,
      cpuMicroseconds(rounds, () => run(size)),
    )
    large = Math.min(
      large,
      cpuMicroseconds(rounds, () => run(size * FACTOR)),
    )
    if (attempt >= LEAST_ATTEMPTS && large < small * MAX_GROWTH) return true
  }
  return false
}

function cpuMicroseconds(rounds: number, act: () => unknown): number {
  const before = process.cpuUsage()
  for (let round = 0; round < rounds; round += 1) act()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
