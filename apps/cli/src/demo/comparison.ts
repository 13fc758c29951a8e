import type { RecipientClass, Totals } from '@wns-fanout/domain'
import { classes } from '@wns-fanout/domain'

/** What the simulator remembers of one channel address; the parts the comparison needs. */
export interface SimulatorChannel {
  readonly posts: number
  /** Null where the last post got no answer. */
  readonly lastStatus: number | null
  readonly lastWnsStatus: string | null
}

/** The class that follows from what a channel answered last, read from the protocol and not from our own code. */
export function classOfLastAnswer({ lastStatus, lastWnsStatus }: SimulatorChannel): RecipientClass {
  if (lastStatus === 200 && lastWnsStatus === 'received') return 'accepted'
  if (lastStatus === 200 && lastWnsStatus === 'dropped') return 'dropped'
  if (lastStatus === 404 || lastStatus === 410) return 'dead'
  if (lastStatus === 400 || lastStatus === 403 || lastStatus === 413) return 'rejected'
  return 'failed'
}

const NONE = 0
const codes = new Map<string, number>(classes.map((name, index) => [name, index + 1]))
/** Posts are counted to seven in the results, where seven means seven or more. */
const MOST_POSTS = 7

/**
 * Two ledgers over the numbers 0 … size − 1, one byte a recipient and side, so that a million recipients compare in
 * a few megabytes: what we list as the result, and what the simulator answered last.
 */
export class Comparison {
  readonly #ours: Uint8Array
  readonly #theirs: Uint8Array
  readonly #ourPosts: Uint8Array
  readonly #theirPosts: Uint8Array
  /** Lines about somebody who is not in the audience, or the second line about the same recipient. */
  strangers = 0

  constructor(size: number) {
    this.#ours = new Uint8Array(size)
    this.#theirs = new Uint8Array(size)
    this.#ourPosts = new Uint8Array(size)
    this.#theirPosts = new Uint8Array(size)
  }

  addOurs(n: number | undefined, recipientClass: string, posts: number): void {
    this.#add(this.#ours, this.#ourPosts, n, codes.get(recipientClass) ?? NONE, posts)
  }

  addTheirs(n: number | undefined, channel: SimulatorChannel): void {
    this.#add(this.#theirs, this.#theirPosts, n, codes.get(classOfLastAnswer(channel)) ?? NONE, channel.posts)
  }

  #add(side: Uint8Array, posts: Uint8Array, n: number | undefined, code: number, count: number): void {
    if (n === undefined || n >= side.length || code === NONE || side[n] !== NONE) {
      this.strangers += 1
      return
    }
    side[n] = code
    posts[n] = Math.min(count, MOST_POSTS)
  }

  verdict(totals: Totals): Verdict {
    const rows = classes.map((name): Row => {
      const code = codes.get(name)
      return {
        class: name,
        totals: totals[name],
        listed: countOf(this.#ours, code),
        simulator: countOf(this.#theirs, code),
      }
    })
    let differing = 0
    let differingPosts = 0
    for (let n = 0; n < this.#ours.length; n += 1) {
      if (this.#ours[n] !== this.#theirs[n]) differing += 1
      if (this.#ourPosts[n] !== this.#theirPosts[n]) differingPosts += 1
    }
    const equal =
      differing === 0 &&
      this.strangers === 0 &&
      countOf(this.#ours, NONE) === 0 &&
      rows.every((row) => row.totals === row.simulator && row.listed === row.simulator)
    return { equal, rows, differing, differingPosts, strangers: this.strangers }
  }
}

export interface Row {
  readonly class: RecipientClass
  /** From the campaign's totals. */
  readonly totals: number
  /** From the results, one line a recipient. */
  readonly listed: number
  /** From what the simulator answered last to each address. */
  readonly simulator: number
}

export interface Verdict {
  /** Do totals, results and simulator agree in every class and for every single recipient? */
  readonly equal: boolean
  readonly rows: readonly Row[]
  /** Recipients for whom the two sides disagree. */
  readonly differing: number
  /** Recipients whose number of posts differs; a retry after an unclear end may cause that, so it is no failure. */
  readonly differingPosts: number
  readonly strangers: number
}

function countOf(side: Uint8Array, code: number | undefined): number {
  let count = 0
  for (const value of side) if (value === code) count += 1
  return count
}
