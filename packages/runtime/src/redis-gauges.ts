import type { Metrics } from './metrics.ts'

/** Shows how Redis is: each of `kinds` is 1 while it is the problem. A memory share that is not known stays. */
export function showRedis(
  metrics: Pick<Metrics, 'redisUp' | 'redisMemory' | 'redisProblem'>,
  kinds: readonly string[],
  { problem, memoryShare }: { readonly problem: string | undefined; readonly memoryShare: number | undefined },
): void {
  metrics.redisUp.set(problem === 'away' ? 0 : 1)
  if (memoryShare !== undefined) metrics.redisMemory.set(memoryShare)
  for (const kind of kinds) metrics.redisProblem.set({ kind }, kind === problem ? 1 : 0)
}
