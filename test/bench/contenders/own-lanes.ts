import { createLanePool, createTransport } from '@wns-fanout/wns'
import type { Contender, LoopOptions } from './contender.ts'
import { BODY, headersOf, HOST, pathOf } from './contender.ts'

/** Our lanes without the pipeline: no ledger, no permits, no queue. */
export function ownLanes({ host, port, caFile, token, connections }: LoopOptions): Contender {
  const transport = createTransport({ routeTo: `${host}:${port}`, caFile })
  const lanes = createLanePool(transport, { lanes: connections, maxPerOriginShare: 1 })
  const headers = Object.entries(headersOf(token)).flat()
  return {
    async post(posts) {
      let next = 0
      let done = 0
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const pump = (): void => {
        while (next < posts && sender.tryPost(`https://${HOST}`, pathOf('own', next), headers, BODY, next)) next += 1
      }
      const sender = lanes.join('bench', {
        done: (_context, outcome) => {
          if (outcome.kind !== 'accepted') return reject(new Error(`the outcome is ${outcome.kind}`))
          done += 1
          if (done === posts) resolve()
          else pump()
        },
        onFree: pump,
      })
      pump()
      await promise
      sender.leave()
    },
    close: () => lanes.stop(),
  }
}
