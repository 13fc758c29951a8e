import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Transport } from '@wns-fanout/wns'
import { createTransport } from '@wns-fanout/wns'
import { generate } from 'selfsigned'
import { onTestFinished } from 'vitest'

export interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly path: string
}

/** How a request is answered: with a status, or by a function. */
export type Reaction = number | ((response: ServerResponse) => void)

/** An HTTPS server on this machine whose name is `localhost`. It answers 204 by default. */
export class Receiver {
  readonly received: Received[] = []
  /** The next reactions, in order. */
  readonly next: Reaction[] = []
  /** After those. */
  always: Reaction = 204
  port = 0
  #ca = ''

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    const made = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] },
      ],
    })
    const server = createServer({ key: made.private, cert: made.cert }, (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const { headers, url = '' } = request
        receiver.received.push({ headers, path: url, body: Buffer.concat(pieces).toString() })
        const reaction = receiver.next.shift() ?? receiver.always
        if (typeof reaction === 'number') response.writeHead(reaction).end()
        else reaction(response)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    receiver.port = (server.address() as AddressInfo).port
    receiver.#ca = made.cert
    onTestFinished(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return receiver
  }

  get url(): string {
    return `https://localhost:${this.port}/hooks?token=in-the-query`
  }

  /** Trusts its certificate, and may reach it although its address is private. */
  get transport(): Transport {
    return createTransport({ ca: this.#ca, privateHosts: new Set(['localhost']) })
  }

  /** The same, but with other names than `localhost` at a private address, as a hostile DNS answers. */
  get publicOnly(): Transport {
    return createTransport({
      ca: this.#ca,
      lookup: (_name, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
    })
  }
}
