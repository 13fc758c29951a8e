import type { RedisConnection } from './redis.ts'

/** Redis time in milliseconds: the clock that all processes share. */
export async function redisNowMs(redis: RedisConnection): Promise<number> {
  const [seconds, microseconds] = await redis.time()
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
}
