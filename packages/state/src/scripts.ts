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
  /** SHA-1 of `lua`, by which Redis finds the script once it has run it. */
  readonly sha: string
  /** Replies are decoded as UTF-8: for scripts that answer with numbers and words. */
  run(redis: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>
  /** Strings in the reply arrive as Buffers: for scripts that answer with bitmaps, vectors or URIs. */
  runBuffer(redis: RedisConnection, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown>
  /** The error with the file and line of each `user_script:<line>` in its message. */
  locate(error: unknown): unknown
}

/**
 * The script `lua/<name>.lua`, read once. A line `-- needs: codes checks` in its head names files of `lua/lib/`, which
 * are placed before it in that order, each once and after what it needs itself. The text is a constant and data only
 * ever travels in KEYS and ARGV, so input never becomes code. Redis forgets scripts when it restarts; on NOSCRIPT the
 * text is sent once.
 */
export function loadScript(name: string): Script {
  const parts = partsOf(name)
  const lua = parts.map((part) => part.text).join('')
  const sha = createHash('sha1').update(lua).digest('hex')
  const locate = (error: unknown): unknown => {
    if (error instanceof Error)
      error.message = error.message.replaceAll(/user_script:(\d+)/g, (_, line) => lineIn(parts, Number(line)))
    return error
  }
  const attempt = async (byHash: () => Promise<unknown>, byText: () => Promise<unknown>): Promise<unknown> => {
    try {
      return await byHash().catch((error: unknown) => {
        if (!isNoScript(error)) throw error
        return byText()
      })
    } catch (error) {
      throw locate(error)
    }
  }
  return {
    name,
    lua,
    sha,
    run: async (redis, keys, args) => {
      assertKeys(name, keys)
      return attempt(
        () => redis.evalsha(sha, keys.length, ...keys, ...args),
        () => redis.eval(lua, keys.length, ...keys, ...args),
      )
    },
    runBuffer: async (redis, keys, args) => {
      assertKeys(name, keys)
      return attempt(
        () => redis.callBuffer('EVALSHA', sha, keys.length, ...keys, ...args),
        () => redis.callBuffer('EVAL', lua, keys.length, ...keys, ...args),
      )
    },
    locate,
  }
}

interface Part {
  readonly file: string
  readonly text: string
}

/** The files that a script is made of, itself last. */
function partsOf(name: string): readonly Part[] {
  const parts = new Map<string, Part>()
  const add = (file: string): void => {
    if (parts.has(file)) return
    const text = readFileSync(new URL(`../lua/${file}.lua`, import.meta.url), 'utf8')
    const needs = /^-- needs: (.+)$/m.exec(text)?.[1]?.split(' ') ?? []
    for (const needed of needs) add(`lib/${needed}`)
    parts.set(file, { file, text })
  }
  add(name)
  return [...parts.values()]
}

/** `<file>.lua:<line>` for a line of the whole text. */
function lineIn(parts: readonly Part[], line: number): string {
  let left = line
  for (const { file, text } of parts) {
    const lines = text.split('\n').length - 1
    if (left <= lines) return `${file}.lua:${left}`
    left -= lines
  }
  return `line ${line}`
}

/** Redis does not have the script of a hash (any more): the text must be sent. */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

// While a slot moves to another node of a cluster, some of its keys are here and some there, and a script that makes
// its keys from a base would take the others for missing. Redis rejects a script (TRYAGAIN) if one of its keys is not
// here, but only if the script has several keys; the base itself is never a key. So a base needs a second key.
function assertKeys(name: string, keys: readonly string[]): void {
  if (keys.length === 0) throw new TypeError(`the script ${name} needs a key, by which a cluster finds its node`)
  if (keys.length === 1 && keys[0]?.endsWith(':') === true)
    throw new TypeError(
      `the script ${name} needs another key beside its base, or it would run on half of a moving slot`,
    )
}
