import { type Server, type Socket, connect, createServer } from 'node:net'

/**
 * What a network between a process and Redis can do to it:
 *
 * - `blackhole` swallows both directions and keeps the sockets; what was swallowed stays lost
 * - `hold` keeps both directions back and delivers them late, as TCP does after a short partition
 * - `dropReplies` lets requests pass and swallows the answers
 * - `delay` delivers everything `ms` later
 * - `cutAfterUp` forwards this many bytes of requests and then resets: a command cut in two
 * - `refuse` resets what there is and whatever comes
 */
export type NetworkFault =
  | { readonly kind: 'pass' | 'blackhole' | 'hold' | 'dropReplies' | 'refuse' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'cutAfterUp'; readonly bytes: number }

export interface FaultProxy {
  readonly port: number
  /** New connections go to another port of 127.0.0.1; `reset` the old ones to move them all. */
  retarget(port: number): void
  set(fault: NetworkFault): void
  /** Reset every connection now; new ones follow the fault in force. */
  reset(): void
  close(): Promise<void>
}

const passThrough: NetworkFault = { kind: 'pass' }

/** A TCP proxy on 127.0.0.1 in front of another port of 127.0.0.1. */
export async function startFaultProxy(firstTarget: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let fault: NetworkFault = passThrough
  let targetPort = firstTarget
  const server = createServer((down) => {
    if (fault.kind === 'refuse') {
      down.resetAndDestroy()
      return
    }
    const pair = new Pair(down, connect({ host: '127.0.0.1', port: targetPort }), () => pairs.delete(pair))
    pairs.add(pair)
    pair.apply(fault)
  })
  const port = await listen(server)
  const reset = (): void => {
    for (const pair of pairs) pair.reset()
  }
  return {
    port,
    reset,
    retarget(to) {
      targetPort = to
    },
    set(next) {
      fault = next
      if (next.kind === 'refuse') reset()
      for (const pair of pairs) pair.apply(next)
    },
    async close() {
      reset()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(address.port)
      else reject(new Error('the system gave the proxy no port'))
    })
  })
}

/** One connection and its other half. Dropped bytes cannot be restored, so such a pair is reset at the end. */
class Pair {
  readonly #down: Socket
  readonly #up: Socket
  #fault: NetworkFault = passThrough
  #swallowed = false
  #leftUp = Number.POSITIVE_INFINITY
  readonly #held: (() => void)[] = []

  constructor(down: Socket, up: Socket, onGone: () => void) {
    this.#down = down
    this.#up = up
    for (const socket of [down, up]) socket.setNoDelay(true)
    down.on('data', (chunk: Buffer) => this.#forward(chunk, up))
    up.on('data', (chunk: Buffer) => this.#forward(chunk, down))
    const end = (): void => {
      onGone()
      down.destroy()
      up.destroy()
    }
    for (const socket of [down, up]) socket.on('error', end).on('close', end)
  }

  apply(fault: NetworkFault): void {
    const silent = fault.kind === 'blackhole' || fault.kind === 'dropReplies'
    if (this.#swallowed && !silent) return this.reset()
    this.#fault = fault
    this.#leftUp = fault.kind === 'cutAfterUp' ? fault.bytes : Number.POSITIVE_INFINITY
    if (fault.kind !== 'hold') for (const deliver of this.#held.splice(0)) deliver()
  }

  reset(): void {
    this.#down.resetAndDestroy()
    this.#up.resetAndDestroy()
  }

  #forward(chunk: Buffer, to: Socket): void {
    const fault = this.#fault
    switch (fault.kind) {
      case 'blackhole':
        this.#swallowed = true
        return
      case 'dropReplies':
        if (to === this.#down) this.#swallowed = true
        else to.write(chunk)
        return
      case 'hold':
        this.#held.push(() => to.write(chunk))
        return
      case 'delay':
        // First in, first out, whatever the fault becomes meanwhile: a stream must not change its order.
        this.#held.push(() => to.write(chunk))
        setTimeout(() => this.#held.shift()?.(), fault.ms)
        return
      case 'cutAfterUp':
        if (to === this.#up) return this.#cut(chunk)
        to.write(chunk)
        return
      case 'pass':
      case 'refuse':
        to.write(chunk)
        return
      default:
        fault satisfies never
    }
  }

  #cut(chunk: Buffer): void {
    const part = chunk.subarray(0, this.#leftUp)
    this.#leftUp -= part.length
    if (this.#leftUp > 0) return void this.#up.write(part)
    this.#up.write(part, () => this.#up.destroy())
    this.#down.resetAndDestroy()
  }
}
