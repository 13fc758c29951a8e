import { Agent, request } from 'node:https'
import type { Contender, LoopOptions } from './contender.ts'
import { BODY, expectOk, headersOf, HOST, inTurns, pathOf, tlsOptions } from './contender.ts'

/** `node:https` with an agent that keeps its connections. */
export function https(options: LoopOptions): Contender {
  const { connections, token } = options
  const agent = new Agent({ keepAlive: true, maxSockets: connections, ...tlsOptions(options) })
  const headers = { ...headersOf(token), Host: HOST, 'Content-Length': BODY.length }
  return {
    post: (posts) =>
      inTurns(
        posts,
        connections,
        (n) =>
          new Promise((resolve, reject) => {
            const one = request(
              {
                agent,
                method: 'POST',
                host: options.host,
                port: options.port,
                servername: HOST,
                path: pathOf('https', n),
                headers,
              },
              (answer) => {
                answer.resume().on('end', () => {
                  try {
                    expectOk(answer.statusCode)
                    resolve()
                  } catch (error) {
                    reject(error instanceof Error ? error : new Error(String(error)))
                  }
                })
              },
            )
            one.on('error', reject).end(BODY)
          }),
      ),
    async close() {
      agent.destroy()
    },
  }
}
