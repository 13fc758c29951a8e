import type { AppRequest } from '@wns-fanout/domain'
import { request } from 'undici'
import { type ClientCount, type WithSimulator, clientCount } from './simulator.ts'

/** Apps by number, each with a client of its own, so that the simulator can treat them differently. */
export class SimulatedClients {
  readonly #stack: WithSimulator

  constructor(stack: WithSimulator) {
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
    const { statusCode, body } = await request(`${this.#stack.simulator.control}/v1/faults`, {
      method: 'PUT',
      body: JSON.stringify({ clients: Object.fromEntries(entries) }),
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(text)
  }

  async counts(n: number): Promise<ClientCount> {
    return await clientCount(this.#stack, this.sid(n))
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
