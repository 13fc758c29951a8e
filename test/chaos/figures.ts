/** The counts of campaigns, in the order of the report. */
const names = [
  'recipients',
  /** Batches that were opened while another owner held them. */
  'takeovers',
  /** Without an outcome, or `accepted` though WNS never accepted anything. */
  'lost',
  /** Accepted posts beyond the first. */
  'duplicates',
  /** W × takeovers + ambiguousRetries. */
  'duplicateBound',
  /** Posts to a channel after a post without a complete answer; 0 for channels that always answer completely. */
  'ambiguousRetries',
  /** At-most-once: recipients with more than one post that was accepted or may have been. */
  'sentTwice',
  'inDoubt',
  /** Difference between the totals of the API and the counts of its results. */
  'counterError',
] as const

export type Figures = Readonly<Record<(typeof names)[number], number>>

/** The sum of each figure; of nothing, each is 0. Whatever else is known of a campaign is left out. */
export function sumOf(all: readonly Figures[]): Figures {
  return Object.fromEntries(names.map((name) => [name, all.reduce((sum, one) => sum + one[name], 0)])) as Figures
}
