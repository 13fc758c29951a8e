import { createServer } from 'node:net'

/** A TCP port of 127.0.0.1 that nobody listens on now; somebody else may still take it before you do. */
export async function freePort(): Promise<number> {
  const server = createServer()
  return await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, exclusive: true }, () => {
      const address = server.address()
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
        else reject(new Error('The system gave no port'))
      })
    })
  })
}
