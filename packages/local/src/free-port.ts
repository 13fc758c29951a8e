import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections (from 32,768 on Linux): those are taken at any moment. */
const FIRST_PORT = 15_000
const LAST_PORT = 32_767
const TRIES = 100

/** A free TCP port of 127.0.0.1. Another process may still take it before the caller does, which is unlikely. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`none of ${TRIES} ports from ${FIRST_PORT} to ${LAST_PORT} of 127.0.0.1 is free`)
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
