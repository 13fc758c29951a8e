import { createRequire } from 'node:module'
import type { Contender, LoopOptions } from './contender.ts'
import { HOST, inTurns, pathOf } from './contender.ts'

// The packages know nothing of simulators: `route.cjs` leads their connections there, and NODE_EXTRA_CA_CERTS brings
// the certificate authority. Both use Node's agent, which keeps its connections.

const load = createRequire(import.meta.url)
const credentials = { client_id: 'S-1-15-2-1-2-3-4-5-6-7', client_secret: 'bench-secret' }
const text = 'Hello from the benchmark, a payload of usual size'

type SendTile = (
  channel: string,
  texts: Readonly<Record<string, string>>,
  options: object,
  callback: (error: Error | null) => void,
) => void

/** The npm package `wns`. */
export function wns({ token, connections }: LoopOptions): Contender {
  const { sendTileSquareText04 } = load('wns') as { readonly sendTileSquareText04: SendTile }
  const options = { ...credentials, accessToken: token }
  return {
    post: (posts) =>
      inTurns(
        posts,
        connections,
        (n) =>
          new Promise((resolve, reject) => {
            sendTileSquareText04(`https://${HOST}${pathOf('wns', n)}`, { text1: text }, options, (error) =>
              error === null ? resolve() : reject(error),
            )
          }),
      ),
    async close() {},
  }
}

interface PushNotifications {
  send(channels: readonly string[], data: unknown): Promise<unknown>
}

/** The npm package `node-pushnotifications`, a notification to one channel at a time. */
export function pushNotifications({ token, connections }: LoopOptions): Contender {
  const Client = load('node-pushnotifications') as new (settings: object) => PushNotifications
  const client = new Client({
    wns: { ...credentials, accessToken: token, notificationMethod: 'sendTileSquareText04' },
  })
  return {
    post: (posts) =>
      // It counts the results of concurrent calls together, so they are not looked at.
      inTurns(posts, connections, async (n) => {
        await client.send([`https://${HOST}${pathOf('push', n)}`], { text1: text })
      }),
    async close() {},
  }
}
