/**
 * One contender in a process of its own. It posts 5,000 times to warm up, then the given number, and prints the CPU of
 * these.
 *
 * arguments: name, host:port, CA file, token, posts, connections, URL of Redis
 */
import { bullmq } from './bullmq.ts'
import type { Contender, LoopOptions } from './contender.ts'
import { https } from './https.ts'
import { ownLanes } from './own-lanes.ts'
import { pushNotifications, wns } from './packages.ts'
import { rawTls } from './raw-tls.ts'
import { fetching, lanes, pool } from './undici.ts'

const contenders: Readonly<Record<string, (options: LoopOptions) => Contender>> = {
  pool,
  lanes,
  ownLanes,
  rawTls,
  https,
  fetch: fetching,
  bullmq,
  wns,
  pushNotifications,
}

const [name = '', address = '', caFile = '', token = '', postsText = '', connections = '', redisUrl = ''] =
  process.argv.slice(2)
const make = contenders[name]
if (make === undefined) throw new Error(`wanted one of ${Object.keys(contenders).join(', ')}; found ${name}`)
const [host = '', port = ''] = address.split(':')
const contender = make({ host, port: Number(port), caFile, token, connections: Number(connections), redisUrl })
const posts = Number(postsText)

async function measured(count: number): Promise<{ readonly cpuMicros: number; readonly seconds: number }> {
  await contender.prepare?.(count)
  const before = process.cpuUsage()
  const startedMs = performance.now()
  await contender.post(count)
  const { user, system } = process.cpuUsage(before)
  return { cpuMicros: user + system, seconds: (performance.now() - startedMs) / 1000 }
}

await measured(5000)
const { cpuMicros, seconds } = await measured(posts)
await contender.close()
process.stdout.write(`${JSON.stringify({ cpuMicrosPerPost: cpuMicros / posts, postsPerSecond: posts / seconds })}\n`)
process.exit(0)
