/**
 * The rules of the protocol, each of which can be broken on its own. A model that finds nothing proves little unless it
 * finds something when a rule is missing: every mutant below has to be caught.
 */
export interface Rules {
  /** A checkpoint counts only from the owner of the latest open. */
  readonly fence: boolean
  /** A post starts only for a recipient whose credit Redis has acknowledged. */
  readonly creditFirst: boolean
  /** Totals follow from the change of the vector, not from what the owner says has changed. */
  readonly totalsFromVector: boolean
  /** A checkpoint whose number was seen before changes nothing. */
  readonly numberGuard: boolean
  /** A takeover makes every credited recipient uncertain. */
  readonly takeoverDoubts: boolean
  /** Opening an `open` batch under another owner counts as a takeover. */
  readonly takeoverCounted: boolean
  /** Parking and closing wait for every post under way and give all credit back. */
  readonly parkWithoutCredit: boolean
  /** No more than the window is ever credited. */
  readonly window: boolean
  /** An open that was sent again answers the same and changes nothing. */
  readonly ownerRemembered: boolean
  /** A batch that is closed stays so and is counted once. */
  readonly closedOnce: boolean
  /** Completion is tested when the plan is sealed too, not only at a close. */
  readonly sealTestsCompletion: boolean
  /** After a cancel the sweeper leaves batches with an owner alone. */
  readonly sweepSparesOpen: boolean
  /** A plan step counts only from the cursor it was made for. */
  readonly planCursor: boolean
  /** An uncertain outcome is not tried again at-most-once. */
  readonly ambiguousIsDoubt: boolean
  /** A batch that keeps losing its owners gives credit to one recipient at first. */
  readonly loneNarrows: boolean
  /** A lone window grows by what is settled, not by the mere calls of its owner. */
  readonly loneByEvidence: boolean
  /** A lone window never grows beyond the window of the terms. */
  readonly loneWithinTerms: boolean
  /** Only an open that settled half a window clears a batch of suspicion. */
  readonly suspicionLasts: boolean
  /** Poison is who was alone under credit at two takeovers in a row. */
  readonly aloneTwice: boolean
  /** An owner that Redis has forgotten hands over what it knows. */
  readonly bequeaths: boolean
  /** What was inherited stays, whatever an owner says who does not know of it. */
  readonly inheritedStays: boolean
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
  sealTestsCompletion: true,
  sweepSparesOpen: true,
  planCursor: true,
  ambiguousIsDoubt: true,
  loneNarrows: true,
  loneByEvidence: true,
  loneWithinTerms: true,
  suspicionLasts: true,
  aloneTwice: true,
  bequeaths: true,
  inheritedStays: true,
}

/** What each mutant forgets, by a name that says it. */
export const mutants: Readonly<Record<string, Rules>> = {
  'no fence check': { ...protocol, fence: false },
  'send before credit is acknowledged': { ...protocol, creditFirst: false },
  'increments and no number guard': { ...protocol, totalsFromVector: false, numberGuard: false },
  'no number guard': { ...protocol, numberGuard: false },
  'takeover leaves credited recipients alone': { ...protocol, takeoverDoubts: false },
  'takeover is not counted': { ...protocol, takeoverCounted: false },
  'park with credit left': { ...protocol, parkWithoutCredit: false },
  'no window': { ...protocol, window: false },
  'open forgets its owner': { ...protocol, ownerRemembered: false },
  'closed twice': { ...protocol, closedOnce: false },
  'seal does not test completion': { ...protocol, sealTestsCompletion: false },
  'sweep closes batches of live owners': { ...protocol, sweepSparesOpen: false },
  'plan without cursor': { ...protocol, planCursor: false },
  'ambiguous outcome retried at-most-once': { ...protocol, ambiguousIsDoubt: false },
  'lone window never narrows': { ...protocol, loneNarrows: false },
  'lone window grows without evidence': { ...protocol, loneByEvidence: false },
  'lone window exceeds the terms': { ...protocol, loneWithinTerms: false },
  'suspicion ends with the first that is settled': { ...protocol, suspicionLasts: false },
  'poison after being alone once': { ...protocol, aloneTwice: false },
  'a forgotten owner keeps what it knows': { ...protocol, bequeaths: false },
  'what was inherited is overwritten': { ...protocol, inheritedStays: false },
}
