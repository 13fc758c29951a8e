import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** The connections of now stay open and carry nothing any more, as if the peer had vanished; new ones work. */
  silence(): void
  /** The connections of now are closed. Of the new ones the first `refused` (none) are closed too, the others work. */
  cut(options?: { readonly refused: number }): void
  /** New connections lead to this port; those of now stay. */
  retarget(port: number): void
  /** Called with what clients send, before it is forwarded. */
  onRequest(look: (bytes: string) => void): void
  /** Connections that were made so far. */
  readonly connections: number
  close(): Promise<void>
}

/** A port of 127.0.0.1 that forwards to another. */
export async function startTcpProxy(firstTarget: number): Promise<TcpProxy> {
  let target = firstTarget
  const sockets = new Set<Socket>()
  let connections = 0
  let refusals = 0
  let look: ((bytes: string) => void) | undefined
  const server = createServer((inner) => {
    connections += 1
    if (refusals > 0) {
      refusals -= 1
      inner.on('error', () => {}).destroy()
      return
    }
    const outer = connect(target, '127.0.0.1')
    for (const socket of [inner, outer]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket))
    }
    inner.on('data', (bytes) => look?.(bytes.toString('latin1')))
    inner.pipe(outer).pipe(inner)
    inner.on('close', () => outer.destroy())
    outer.on('close', () => inner.destroy())
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    silence() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    cut({ refused } = { refused: 0 }) {
      refusals = refused
      for (const socket of sockets) socket.destroy()
    },
    retarget(port) {
      target = port
    },
    onRequest(next) {
      look = next
    },
    get connections() {
      return connections
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}
