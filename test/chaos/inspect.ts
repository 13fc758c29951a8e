import { eventually } from '@wns-fanout/testing'
import { readFile } from 'node:fs/promises'
import type { ChaosProcess } from './process.ts'

/** Environment of a worker that `evaluateIn` can reach. */
export const inspectable = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

/** Run an expression inside a worker: faults that come from nowhere else, such as a blocked event loop. */
export async function evaluateIn(worker: ChaosProcess, expression: string): Promise<void> {
  const url = await eventually(
    `the debugger of ${worker.name} to listen`,
    async () => [...(await readFile(worker.logFile, 'utf8')).matchAll(/ws:\/\/127\.0\.0\.1:\S+/g)].at(-1)?.[0],
    10_000,
  )
  const socket = new WebSocket(url)
  try {
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true })
      socket.addEventListener('error', () => reject(new Error(`the debugger of ${worker.name} refused`)), {
        once: true,
      })
    })
    const answered = new Promise((resolve) => {
      socket.addEventListener('message', resolve, { once: true })
      socket.addEventListener('close', resolve, { once: true })
    })
    socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }))
    await answered
  } finally {
    socket.close()
  }
}
