import type { Dispatcher } from 'undici'
import { Client, Pool, fetch as undiciFetch } from 'undici'
import type { Contender, LoopOptions } from './contender.ts'
import { BODY, connector, expectOk, headersOf, HOST, inTurns, pathOf } from './contender.ts'

const origin = `https://${HOST}`

/** `Pool.request`, one promise for each post. */
export function pool(options: LoopOptions): Contender {
  const { connections, token } = options
  const each = new Pool(origin, { allowH2: false, pipelining: 1, connect: connector(options), connections })
  const headers = Object.entries(headersOf(token)).flat()
  return {
    post: (posts) =>
      inTurns(posts, connections, async (n) => {
        const answer = await each.request({ method: 'POST', path: pathOf('pool', n), headers, body: BODY })
        await answer.body.dump()
        expectOk(answer.statusCode)
      }),
    close: () => each.close(),
  }
}

/** `fetch`, through the same pool. */
export function fetching(options: LoopOptions): Contender {
  const { connections, token } = options
  const dispatcher = new Pool(origin, { allowH2: false, pipelining: 1, connect: connector(options), connections })
  const headers = headersOf(token)
  return {
    post: (posts) =>
      inTurns(posts, connections, async (n) => {
        const url = `${origin}${pathOf('fetch', n)}`
        const answer = await undiciFetch(url, { method: 'POST', headers, body: BODY, dispatcher })
        await answer.arrayBuffer()
        expectOk(answer.status)
      }),
    close: () => dispatcher.close(),
  }
}

/** One client for each connection, with a handler that is used again. */
export function lanes(options: LoopOptions): Contender {
  const connect = connector(options)
  const clients = Array.from(
    { length: options.connections },
    () => new Client(origin, { allowH2: false, pipelining: 1, connect }),
  )
  const headers = Object.entries(headersOf(options.token)).flat()
  return {
    post: (posts) =>
      new Promise((resolve, reject) => {
        let next = 0
        let done = 0
        for (const client of clients) {
          const request: Dispatcher.DispatchOptions = { method: 'POST', path: '', headers, body: BODY }
          const step = (): void => {
            if (next >= posts) return
            request.path = pathOf('lanes', next)
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
              if (done === posts) resolve()
              else step()
            },
            onResponseError: (_controller, error) => reject(error),
          }
          step()
        }
      }),
    close: async () => {
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}
