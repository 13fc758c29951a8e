import type { RedisConnection } from '@wns-fanout/state'

/** Before a script: its `TIME` is the last argument, in milliseconds. */
const CLOCK = `
local virtual_ms, real = tonumber(table.remove(ARGV)), redis
local redis = {
  call = function(command, ...)
    if command == 'TIME' then return { math.floor(virtual_ms / 1000), math.floor(virtual_ms % 1000 * 1000) } end
    return real.call(command, ...)
  end,
}
`

/** A Redis in which scripts read the time from `nowMs`, so that a test decides how fast it passes. */
export function withClock(redis: RedisConnection, nowMs: () => number): RedisConnection {
  const run = (lua: string, keys: number, ...rest: (string | number | Buffer)[]): Promise<unknown> =>
    redis.eval(CLOCK + lua, keys, ...rest, nowMs())
  return new Proxy(redis, {
    get(target, property) {
      if (property === 'eval') return run
      // The caller then sends the text.
      if (property === 'evalsha') return () => Promise.reject(new Error('NOSCRIPT'))
      return Reflect.get(target, property, target)
    },
  })
}
