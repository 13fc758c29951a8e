import { createServer } from 'node:net'

/** A free TCP port of 127.0.0.1. Another process may still take it before the caller does. */
export async function freePort(): Promise<number> {
  const server = createServer()
  return await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
      const address = server.address()
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('the system assigned no port'))
      })
    })
  })
}
