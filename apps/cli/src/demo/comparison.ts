import type { RecipientClass, Totals } from '@wns-fanout/domain'
import { classes } from '@wns-fanout/domain'

/** The simulator's record of one channel address, as far as the comparison needs it. */
export interface SimulatorChannel {
  readonly posts: number
  /** Null where the last post got no answer. */
  readonly lastStatus: number | null
  readonly lastWnsStatus: string | null
}

/** The class that the protocol assigns to the last answer of a channel. Shares no code with the sender. */
export function classOfLastAnswer({ lastStatus, lastWnsStatus }: SimulatorChannel): RecipientClass {
  if (lastStatus === 200 && lastWnsStatus === 'received') return 'accepted'
  if (lastStatus === 200 && lastWnsStatus === 'dropped') return 'dropped'
  if (lastStatus === 404 || lastStatus === 410) return 'dead'
  if (lastStatus === 400 || lastStatus === 403 || lastStatus === 413) return 'rejected'
  return 'failed'
}

const NONE = 0
const codes = new Map<string, number>(classes.map((name, index) => [name, index + 1]))
/** Results count at most seven posts; seven means seven or more. */
const MOST_POSTS = 7

/**
 * Two records over the recipients 0 … size − 1: the results of the campaign, and the simulator's last answers. Each
 * takes one byte per recipient, so a million recipients compare in a few megabytes.
 */
export class Comparison {
  readonly #ours: Uint8Array
  readonly #theirs: Uint8Array
  readonly #ourPosts: Uint8Array
  readonly #theirPosts: Uint8Array
  /** Lines about an unknown recipient, and second lines about the same recipient. */
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
  /** From the results, one line per recipient. */
  readonly listed: number
  /** From the simulator's last answer to each address. */
  readonly simulator: number
}

export interface Verdict {
  /** Whether totals, results and simulator agree in every class and for every recipient. */
  readonly equal: boolean
  readonly rows: readonly Row[]
  /** Recipients with a different class on the two sides. */
  readonly differing: number
  /** Recipients whose number of posts differs. A retry after an unclear end may cause that, so it is no failure. */
  readonly differingPosts: number
  readonly strangers: number
}

function countOf(side: Uint8Array, code: number | undefined): number {
  let count = 0
  for (const value of side) if (value === code) count += 1
  return count
}
