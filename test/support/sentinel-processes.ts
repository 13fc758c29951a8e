import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RedisCommand } from '@wns-fanout/local'
import { dieWithParent } from '@wns-fanout/local'
import { eventually } from '@wns-fanout/testing'

export interface SentinelProcessesOptions {
  readonly redis: RedisCommand
  /** For their configurations, which they rewrite. */
  readonly dir: string
  readonly ports: readonly number[]
  readonly group: string
  readonly primaryPort: number
  /** Further lines of the configuration of each. */
  readonly lines: readonly string[]
}

/** Starts a Sentinel on each port; two of them have to agree that a primary is down. They end with this process. */
export async function startSentinelProcesses({
  redis,
  dir,
  ports,
  group,
  primaryPort,
  lines,
}: SentinelProcessesOptions): Promise<ChildProcess[]> {
  await mkdir(dir, { recursive: true })
  const children: ChildProcess[] = []
  for (const port of ports) {
    const file = join(dir, `sentinel-${port}.conf`)
    const all = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${dir}`,
      `sentinel monitor ${group} 127.0.0.1 ${primaryPort} 2`,
      ...lines,
    ]
    await writeFile(file, `${all.join('\n')}\n`, { mode: 0o600 })
    const guard = dieWithParent(redis.command, [...redis.args, file, '--sentinel'])
    const env = { ...process.env, ...redis.env }
    const child = spawn(guard.command, guard.args, { env, stdio: ['pipe', 'ignore', 'ignore'] })
    guard.watch(child)
    children.push(child)
  }
  return children
}

/** Resolves when all of them have ended. */
export async function stopSentinelProcesses(children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) {
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
}

/** Resolves once each Sentinel knows the replicas and the others. `ask` sends `SENTINEL MASTER` to the nth. */
export async function sentinelsKnowEachOther(
  ask: (n: number) => Promise<unknown>,
  { sentinels, replicas }: { readonly sentinels: number; readonly replicas: number },
): Promise<void> {
  await eventually(
    'the Sentinels to know each other and the replicas',
    async () => {
      for (let n = 0; n < sentinels; n += 1) {
        const state = (await ask(n)) as string[]
        const field = (name: string) => Number(state[state.indexOf(name) + 1])
        if (field('num-slaves') !== replicas || field('num-other-sentinels') !== sentinels - 1) return undefined
      }
      return true
    },
    60_000,
  )
}
