import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { loadScript } from '@wns-fanout/state'
import { Redis } from 'ioredis'
import { watchCommands } from './monitor.ts'

/** The observer's own connection; what it sends is not counted. */
export const OBSERVER = 'bench-observer'

/** Commands by purpose: the name of our script, `bullmq …` for the queue, otherwise the command. */
export type CommandCount = Readonly<Record<string, number>>

/**
 * Counts the commands that clients send to Redis during `work`, with MONITOR. Commands inside a script (marked `lua`)
 * are part of one command and are not counted.
 */
export async function countCommands(redisUrl: string, work: () => Promise<void>): Promise<CommandCount> {
  const names = await scriptNames()
  const look = new Redis(redisUrl, { connectionName: OBSERVER })
  const seen = new Map<string, Map<string, number>>()
  const end = Promise.withResolvers<void>()
  const mark = `end-${process.pid}`
  const stopWatching = await watchCommands(redisUrl, ({ args, source }) => {
    if (args[1] === mark) end.resolve()
    if (source === 'lua') return
    const name = nameOf(args, names)
    const of = seen.get(source) ?? new Map<string, number>()
    seen.set(source, of.set(name, (of.get(name) ?? 0) + 1))
  })
  try {
    await work()
    await look.echo(mark)
    await end.promise
    const own = await observers(look)
    const counts: Record<string, number> = {}
    for (const [source, of] of seen) {
      if (own.has(source)) continue
      for (const [name, count] of of) counts[name] = (counts[name] ?? 0) + count
    }
    return counts
  } finally {
    stopWatching()
    look.disconnect()
  }
}

function nameOf(args: readonly string[], names: ReadonlyMap<string, string>): string {
  const command = (args[0] ?? '').toLowerCase()
  if (command === 'evalsha') return names.get(args[1] ?? '') ?? 'unknown script'
  if (command === 'eval') return 'eval'
  if (command === 'bzpopmin') return 'bullmq wait'
  const key = args[1] ?? ''
  if (key.endsWith(':apps') || key.endsWith(':data-set')) return 'watch'
  return command
}

async function observers(look: Redis): Promise<ReadonlySet<string>> {
  const list = String(await look.client('LIST'))
  return new Set(
    list
      .split('\n')
      .filter((line) => line.includes(` name=${OBSERVER}`))
      .map((line) => /\baddr=(\S+)/.exec(line)?.[1] ?? ''),
  )
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

/** Scripts by their hash, as `EVALSHA` names them. */
async function scriptNames(): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  const ours = fileURLToPath(new URL('../../../packages/state/lua/', import.meta.url))
  for (const file of await readdir(ours))
    if (file.endsWith('.lua')) {
      const { name, sha } = loadScript(file.replace('.lua', ''))
      names.set(sha, name)
    }
  const entry = createRequire(import.meta.url).resolve('bullmq')
  const theirs = join(dirname(dirname(entry)), 'esm', 'scripts')
  for (const file of await readdir(theirs)) {
    if (!/-\d+\.js$/.test(file)) continue
    const module = (await import(pathToFileURL(join(theirs, file)).href)) as Record<
      string,
      { readonly name: string; readonly content: string }
    >
    for (const { name, content } of Object.values(module)) names.set(sha1(content), `bullmq ${name}`)
  }
  return names
}
