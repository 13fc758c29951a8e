import type { AppRequest } from '@wns-fanout/domain'
import { request } from 'undici'
import type { TestStack } from '../support/stack.ts'

/** What the simulator counted for one client. */
export interface ClientCounts {
  readonly posts: number
  readonly tokenRequests: number
}

/** Apps by number, each with a client of its own, so that the simulator can treat them differently. */
export class SimulatedClients {
  readonly #stack: TestStack

  constructor(stack: TestStack) {
    this.#stack = stack
  }

  sid(n: number): string {
    return `S-1-15-2-${n}-1-1-1-1-1-1`
  }

  /** Credentials of the nth client. */
  as(n: number): Pick<AppRequest, 'credentials'> {
    return { credentials: { kind: 'store', packageSid: this.sid(n), clientSecret: 'client-secret' } }
  }

  /** These clients have these faults, all others none. */
  async faults(clients: Readonly<Record<number, unknown>>): Promise<void> {
    const entries = Object.entries(clients).map(([n, fault]) => [this.sid(Number(n)), fault] as const)
    await this.#stack.control('PUT', '/v1/faults', { clients: Object.fromEntries(entries) })
  }

  async counts(n: number): Promise<ClientCounts> {
    const { perClient } = (await this.#stack.control('GET', '/v1/stats')) as { perClient: Record<string, ClientCounts> }
    return perClient[this.sid(n)] ?? { posts: 0, tokenRequests: 0 }
  }

  /** How often each channel of an app was posted to. */
  async postsOf(app: string): Promise<{ readonly token: string; readonly posts: number }[]> {
    const text = await (await request(`${this.#stack.simulator.control}/v1/posts`)).body.text()
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { token: string; posts: number })
      .filter(({ token }) => token.includes(`.${app}-`))
  }
}
