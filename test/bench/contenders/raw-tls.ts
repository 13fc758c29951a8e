import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { connect } from 'node:tls'
import type { Contender, LoopOptions } from './contender.ts'
import { BODY, headersOf, HOST, pathOf, tlsOptions } from './contender.ts'

const STATUS_OK = Buffer.from('HTTP/1.1 200')

/**
 * The least that a post costs in Node: one write to a TLS socket, and one look at the first bytes of the answer, which
 * is taken to arrive whole. Nothing is parsed, no length, no time limit.
 */
export function rawTls(options: LoopOptions): Contender {
  const target = tlsOptions(options)
  const head = Object.entries(headersOf(options.token))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')
  const rest = `Host: ${HOST}\r\n${head}Content-Length: ${BODY.length}\r\n\r\n${BODY.toString('latin1')}`
  const sockets: TLSSocket[] = []
  return {
    async prepare() {
      while (sockets.length < options.connections) {
        const socket = connect(target)
        await once(socket, 'secureConnect')
        socket.setNoDelay(true)
        sockets.push(socket)
      }
    },
    post: (posts) =>
      new Promise((resolve, reject) => {
        let next = 0
        let done = 0
        for (const socket of sockets) {
          const step = (): void => {
            if (next >= posts) return
            socket.write(`POST ${pathOf('raw', next)} HTTP/1.1\r\n${rest}`, 'latin1')
            next += 1
          }
          socket.removeAllListeners('data').on('data', (chunk) => {
            if (chunk.compare(STATUS_OK, 0, STATUS_OK.length, 0, STATUS_OK.length) !== 0)
              return reject(new Error('the simulator answered something else than 200, or in pieces'))
            done += 1
            if (done === posts) resolve()
            else step()
          })
          step()
        }
      }),
    async close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
