import { request } from 'undici'

/** What the simulator counted for one client: a package SID, or the id of an Entra application. */
export interface ClientCount {
  readonly posts: number
  readonly tokenRequests: number
  readonly peakPerSecond: number
}

/** What the simulator counted since its start. */
export interface SimulatorStats {
  readonly posts: number
  readonly acceptedPosts: number
  readonly acceptedChannels: number
  readonly tokenRequests: number
  readonly duplicates: number
  readonly wrongApp: number
  readonly badHeader: number
  readonly pipelined: number
  readonly chunked: number
  readonly wrongLength: number
  readonly badRequest: number
  readonly byStatus: Readonly<Record<string, number>>
  readonly channels: Readonly<Record<string, number>>
  readonly perClient: Readonly<Record<string, ClientCount>>
}

/** Anything with a simulator, by the base URL of its control port. */
export interface WithSimulator {
  readonly simulator: { readonly control: string }
}

export async function simulatorStats({ simulator }: WithSimulator): Promise<SimulatorStats> {
  const { body } = await request(`${simulator.control}/v1/stats`)
  return (await body.json()) as SimulatorStats
}

/** The counts of one client; zeros for a client that has sent nothing. */
export async function clientCount(stack: WithSimulator, client: string): Promise<ClientCount> {
  const { perClient } = await simulatorStats(stack)
  return perClient[client] ?? { posts: 0, tokenRequests: 0, peakPerSecond: 0 }
}
