/**
 * A loop that people write by hand, in a process of its own: `pool` asks an undici Pool, one promise a post; `lanes`
 * dispatches on one undici Client a connection with a reused handler. It posts the given number and prints its CPU.
 *
 * arguments: kind, host:port, CA file, token, posts, connections
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import type { Dispatcher } from 'undici'
import { Client, Pool } from 'undici'

const [kind = '', address = '', caFile = '', token = '', postsText = '', connectionsText = ''] = process.argv.slice(2)
const posts = Number(postsText)
const connections = Number(connectionsText)
const [host = '', port = ''] = address.split(':')
const ca = readFileSync(caFile)
const origin = 'https://db5p.notify.windows.com'
const body = Buffer.from(
  '<tile><visual><binding template="TileMedium">' +
    '<text>Hello from the benchmark, a payload of usual size</text></binding></visual></tile>',
)
const headers = [
  'Authorization',
  `Bearer ${token}`,
  'Content-Type',
  'text/xml',
  'X-WNS-Type',
  'wns/tile',
  'X-WNS-TTL',
  '86400',
  'MS-CV',
  'AAAAAAAAAAAAAAAAAAAAAA.0',
]
const options: Client.Options = {
  allowH2: false,
  pipelining: 1,
  connect: (_options, callback) => {
    const socket = connect({
      host,
      port: Number(port),
      servername: 'db5p.notify.windows.com',
      ca,
      ALPNProtocols: ['http/1.1'],
    })
    socket.once('secureConnect', () => callback(null, socket))
    socket.once('error', (error) => callback(error, null))
  },
}
function pathOf(n: number): string {
  return `/?token=ok.any.${kind}-${n}`
}

async function withPool(count: number, pool: Pool): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const path = pathOf(next)
      next += 1
      const answer = await pool.request({ method: 'POST', path, headers, body })
      await answer.body.dump()
      if (answer.statusCode !== 200) throw new Error(`the simulator answered ${answer.statusCode}`)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
}

function withLanes(count: number, clients: readonly Client[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let next = 0
    let done = 0
    for (const client of clients) {
      const request: Dispatcher.DispatchOptions = { method: 'POST', path: '', headers, body }
      const step = (): void => {
        if (next >= count) return
        request.path = pathOf(next)
        next += 1
        client.dispatch(request, handler)
      }
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, status) {
          if (status !== 200) reject(new Error(`the simulator answered ${status}`))
        },
        onResponseData() {},
        onResponseEnd() {
          done += 1
          if (done === count) resolve()
          else step()
        },
        onResponseError: (_controller, error) => reject(error),
      }
      step()
    }
  })
}

const pool = new Pool(origin, { ...options, connections })
const clients = Array.from({ length: connections }, () => new Client(origin, options))
function post(count: number): Promise<void> {
  return kind === 'pool' ? withPool(count, pool) : withLanes(count, clients)
}

await post(Math.min(5000, posts))
const before = process.cpuUsage()
const startedMs = performance.now()
await post(posts)
const used = process.cpuUsage(before)
const seconds = (performance.now() - startedMs) / 1000
await Promise.all([pool.close(), ...clients.map((client) => client.close())])
process.stdout.write(
  `${JSON.stringify({ cpuMicrosPerPost: (used.user + used.system) / posts, postsPerSecond: posts / seconds })}\n`,
)
