import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RedisConnection } from './redis.ts'

export type ScriptArgument = string | number | Buffer

/**
 * A Lua script of `lua/`, run by its hash. Both calls take at least one key, which also routes them in a cluster, and a
 * second one if the first is only the base of others.
 */
export interface Script {
  readonly name: string
  readonly lua: string
  /** SHA-1 of `lua`, by which Redis knows the script once it has seen it. */
  readonly sha: string
  /** Replies are decoded as UTF-8: for scripts that answer with numbers and words. */
  run(redis: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>
  /** Strings in the reply arrive as Buffers: for scripts that answer with bitmaps, vectors or URIs. */
  runBuffer(redis: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>
}

/**
 * The script `lua/<name>.lua`, read once, with `lua/<shared>.lua` before it where several scripts share functions. Its text is a constant and data only ever travels in KEYS and ARGV, so
 * nothing that a caller sends can become code. Redis forgets scripts when it restarts; a NOSCRIPT sends the text once.
 */
export function loadScript(name: string, shared?: string): Script {
  const lua = (shared === undefined ? '' : read(shared)) + read(name)
  const sha = createHash('sha1').update(lua).digest('hex')
  return {
    name,
    lua,
    sha,
    run: async (redis, keys, args) => {
      mustHaveKey(name, keys)
      try {
        return await redis.evalsha(sha, keys.length, ...keys, ...args)
      } catch (error) {
        if (!isNoScript(error)) throw error
        return await redis.eval(lua, keys.length, ...keys, ...args)
      }
    },
    runBuffer: async (redis, keys, args) => {
      mustHaveKey(name, keys)
      try {
        return await redis.callBuffer('EVALSHA', sha, keys.length, ...keys, ...args)
      } catch (error) {
        if (!isNoScript(error)) throw error
        return await redis.callBuffer('EVAL', lua, keys.length, ...keys, ...args)
      }
    },
  }
}

function read(name: string): string {
  return readFileSync(new URL(`../lua/${name}.lua`, import.meta.url), 'utf8')
}

/** Redis does not know the hash of a script (any more): the text has to be sent. */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

// While a slot moves to another node of a cluster, some of its keys are here and some there, and a script that makes its
// keys of a base would take those that are elsewhere for missing. Redis refuses a script (TRYAGAIN) of whose keys one is
// not here, but only if it has several; the base itself is never a key. So a base needs company.
function mustHaveKey(name: string, keys: readonly string[]): void {
  if (keys.length === 0) throw new TypeError(`the script ${name} needs a key, by which a cluster finds its node`)
  if (keys.length === 1 && keys[0]?.endsWith(':') === true)
    throw new TypeError(
      `the script ${name} needs another key beside its base, or it would run on half of a moving slot`,
    )
}
