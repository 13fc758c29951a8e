/**
 * The rules of the protocol. Each can be switched off on its own, which makes a mutant. A model without violations
 * proves little unless it finds violations in every mutant below.
 */
export interface Rules {
  /** A checkpoint counts only from the owner of the latest open. */
  readonly fence: boolean
  /** A post starts only for a recipient whose credit Redis has acknowledged. */
  readonly creditFirst: boolean
  /** Totals follow from the change of the vector, not from the changes that the owner reports. */
  readonly totalsFromVector: boolean
  /** A checkpoint whose number was seen before changes nothing. */
  readonly numberGuard: boolean
  /** A takeover makes every credited recipient uncertain. */
  readonly takeoverDoubts: boolean
  /** Opening an `open` batch under another owner counts as a takeover. */
  readonly takeoverCounted: boolean
  /** Park and close wait for every post under way and return all credit. */
  readonly parkWithoutCredit: boolean
  /** No more than the window is ever credited. */
  readonly window: boolean
  /** A repeated open gets the same answer and changes nothing. */
  readonly ownerRemembered: boolean
  /** A closed batch stays closed and counts once. */
  readonly closedOnce: boolean
  /** Completion is tested at the end of the plan too, not only at a close. */
  readonly planEndTestsCompletion: boolean
  /** After a cancel the sweeper ignores batches with an owner. */
  readonly sweepSparesOpen: boolean
  /** A plan step counts only from the cursor it was made for. */
  readonly planPosition: boolean
  /** At-most-once, an ambiguous outcome is not retried. */
  readonly ambiguousIsDoubt: boolean
  /** A batch that keeps losing its owners starts with one credit. */
  readonly slowStart: boolean
  /** A slow start grows with settled recipients, not with calls of the owner. */
  readonly slowStartBySettled: boolean
  /** A slow start never exceeds the window of the terms. */
  readonly slowStartWithinTerms: boolean
  /** Only an open that settled half a window clears the suspicion. */
  readonly suspicionLasts: boolean
  /** Poison is a recipient that was alone under credit at two takeovers in a row. */
  readonly aloneTwice: boolean
  /** An owner whose open Redis has lost merges its outcomes. */
  readonly mergesOutcomes: boolean
  /** A merged outcome stays, whatever an owner sends that has not seen it. */
  readonly mergedStays: boolean
  /** An owner that ends by an error keeps the credit of its posts without an answer. */
  readonly failedKeepsCredit: boolean
}

export const protocol: Rules = {
  fence: true,
  creditFirst: true,
  totalsFromVector: true,
  numberGuard: true,
  takeoverDoubts: true,
  takeoverCounted: true,
  parkWithoutCredit: true,
  window: true,
  ownerRemembered: true,
  closedOnce: true,
  planEndTestsCompletion: true,
  sweepSparesOpen: true,
  planPosition: true,
  ambiguousIsDoubt: true,
  slowStart: true,
  slowStartBySettled: true,
  slowStartWithinTerms: true,
  suspicionLasts: true,
  aloneTwice: true,
  mergesOutcomes: true,
  mergedStays: true,
  failedKeepsCredit: true,
}

/** The mutants by the rule that they lack. */
export const mutants: Readonly<Record<string, Rules>> = {
  'no fence check': { ...protocol, fence: false },
  'send before credit is acknowledged': { ...protocol, creditFirst: false },
  'increments and no number guard': { ...protocol, totalsFromVector: false, numberGuard: false },
  'no number guard': { ...protocol, numberGuard: false },
  'takeover ignores credited recipients': { ...protocol, takeoverDoubts: false },
  'takeover is not counted': { ...protocol, takeoverCounted: false },
  'park with credit left': { ...protocol, parkWithoutCredit: false },
  'no window': { ...protocol, window: false },
  'open forgets its owner': { ...protocol, ownerRemembered: false },
  'closed twice': { ...protocol, closedOnce: false },
  'the end of the plan does not test completion': { ...protocol, planEndTestsCompletion: false },
  'sweep closes batches of live owners': { ...protocol, sweepSparesOpen: false },
  'plan without cursor': { ...protocol, planPosition: false },
  'ambiguous outcome retried at-most-once': { ...protocol, ambiguousIsDoubt: false },
  'no slow start': { ...protocol, slowStart: false },
  'slow start grows with calls': { ...protocol, slowStartBySettled: false },
  'slow start exceeds the terms': { ...protocol, slowStartWithinTerms: false },
  'suspicion ends with the first settled recipient': { ...protocol, suspicionLasts: false },
  'poison after being alone once': { ...protocol, aloneTwice: false },
  'outcomes are not merged': { ...protocol, mergesOutcomes: false },
  'merged outcomes are overwritten': { ...protocol, mergedStays: false },
  'a failed owner returns the credit of its posts under way': { ...protocol, failedKeepsCredit: false },
}
