import { getJson, getLines } from '../http.ts'
import type { Comparison, SimulatorChannel } from './comparison.ts'
import { numberOf } from './mix.ts'

export interface SimulatorStats {
  readonly posts: number
  readonly tokenRequests: number
  readonly duplicates: number
  readonly peakPerSecond: number
  readonly wrongApp: number
  readonly badHeader: number
}

/** The simulator's own counts. */
export async function readStats(control: string): Promise<SimulatorStats> {
  const stats = await getJson(`${control}/v1/stats`)
  const field = (name: string): number => {
    const value: unknown = typeof stats === 'object' && stats !== null ? Reflect.get(stats, name) : undefined
    if (typeof value === 'number') return value
    throw new Error(`the simulator's statistics have no number "${name}"`)
  }
  return {
    posts: field('posts'),
    tokenRequests: field('tokenRequests'),
    duplicates: field('duplicates'),
    peakPerSecond: field('peakPerSecond'),
    wrongApp: field('wrongApp'),
    badHeader: field('badHeader'),
  }
}

interface PostsLine extends SimulatorChannel {
  readonly token: string
}

/** Adds the simulator's last answer to every address. */
export async function readPosts(control: string, comparison: Comparison): Promise<void> {
  for await (const text of getLines(`${control}/v1/posts`)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the simulator is ours, and its lines are fixed
    const line = JSON.parse(text) as PostsLine
    comparison.addTheirs(numberOf(line.token), line)
  }
}
