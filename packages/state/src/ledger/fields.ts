import type { RecipientClass } from '@wns-fanout/domain'

// The fields of the hashes of campaigns and batches, whose keys are in `keys.ts`.

/** Of a hash field: its type, the scripts (`lua/`) or classes that write it, and those that read it. */
type FieldInfo = readonly [type: string, writtenBy: string, readBy: string]

/** The fields of a campaign's hash. Instants are Redis time in milliseconds. */
export const campaignFields = {
  version: ['ledger version', 'create, damage', 'every script, record'],
  id: ['text', 'create, damage', 'launch, checkpoint, merge, record'],
  definition: ['JSON', 'create', 'record'],
  type: ['notification type', 'create', 'launch, steer, closing'],
  topic: ['text', 'create', 'launch, steer, checkpoint, merge, closing, record'],
  topicIntervalMs: ['milliseconds, 0 = exempt', 'create', 'launch, checkpoint, merge'],
  policy: ['over-limit policy', 'create', 'create, launch'],
  state: ['campaign state', 'create, freeze, steer, damage, closing, halts', 'every script, record'],
  reason: ['word', 'create, launch, steer, damage, closing, halts', 'record'],
  heldBy: ['cause of a halt that can be resumed', 'steer, closing, halts', 'steer, checkpoint, closing, halts, record'],
  accepted: [
    'causes that do not halt it again, a space before and after each',
    'steer',
    'steer, checkpoint, halts, record',
  ],
  createdAt: ['instant', 'create, damage', 'record'],
  startAt: ['instant', 'create, launch, damage', 'launch, record'],
  startedAt: ['instant', 'freeze', 'record'],
  expiresAt: ['instant', 'create, damage', 'every script, record'],
  finishedAt: ['instant', 'create, closing', 'damage, finish-repair, record'],
  audienceSize: ['count', 'create, freeze, steer, sweep, finish-repair', 'plan, sweep, closing, record'],
  unknownChannels: ['count', 'freeze', 'record'],
  optedOut: ['count, left out of the audience', 'freeze', 'record'],
  optedOutOfTopic: ['count, left out as well', 'freeze', 'record'],
  wavePages: ['pages of each wave of a campaign at a local time', 'freeze', 'open, merge, closing, record'],
  waves: ['JSON: when each wave is due, its recipients and time zones', 'freeze', 'record'],
  localTimePassed: ['count, left out as well', 'freeze', 'record'],
  expectedRecipients: ['count, when it was created', 'create', 'record'],
  restOf: ['the campaign whose rest this one sends to', 'create', 'launch'],
  maxFailureShare: ['0 to 1', 'create', 'halts'],
  maxDeadShare: ['0 to 1', 'create', 'halts'],
  canary: ['`passed`, or `waiting` once it is reported', 'CampaignStore, canary-wait', 'canary-wait, record'],
  cursor: ['next page to plan', 'create, plan', 'plan, checkpoint, record'],
  cursorBefore: ['recipients of that page that are planned', 'plan', 'record'],
  turn: ['turn of the next batch', 'plan', 'record'],
  wakeAt: ['active batches below which the planner is woken', 'plan, Ledger', 'checkpoint'],
  planned: ['count of batches', 'create, plan, finish-repair', 'plan, closing, record'],
  plannedRecipients: ['count', 'plan, finish-repair', 'plan, steer, sweep, closing, record'],
  planComplete: ['`1`', 'create, plan, steer, damage, closing', 'plan, checkpoint, closing, record'],
  closed: ['count of batches', 'create, finish-repair, closing', 'plan, closing, record'],
  stopCode: ['code of recipients never planned', 'damage, closing', 'record'],
  posts: ['count', 'open, checkpoint, merge, finish-repair', 'closing'],
  answers: ['count', 'checkpoint, merge', 'open, checkpoint'],
  takeovers: ['count', 'open', 'record'],
  rateSince: ['instant', 'checkpoint', 'checkpoint, record'],
  rateCount: ['settled since then', 'checkpoint', 'checkpoint'],
  ratePerSecond: ['settled per second before that', 'checkpoint', 'record'],
  recentAnswers: ['count that fades', 'halts', 'halts'],
  recentRejected: ['count that fades', 'halts', 'halts'],
  damaged: ['what was found; until repaired', 'damage', 'sweep, repair, closing, record'],
} as const satisfies Readonly<Record<string, FieldInfo>>

/**
 * `total:<class>` counts the settled recipients of a class; written by most scripts, read by closing and record.
 * `uncounted:<class>` counts those that no worker has counted in its metrics; written by closing, read by
 * take-uncounted.
 */
export type CampaignField =
  | keyof typeof campaignFields
  | `${'total' | 'uncounted'}:${Exclude<RecipientClass, 'pending'>}`

/** The fields of a batch's hash. From `state` on they are removed when the batch closes. */
export const batchFields = {
  range: ['from page,to page,recipients[,before,after]', 'plan, repair', 'every script, results'],
  owner: ['nonce', 'open', 'open, checkpoint, merge, sweep'],
  fence: ['count of opens', 'open', 'open, checkpoint, merge, sweep'],
  checkpoint: ['number of the last one', 'open, checkpoint', 'checkpoint'],
  takeovers: ['count', 'open', 'open'],
  closed: ['`1`', 'repair, closing', 'every script'],
  closedAs: ['code of all recipients of a batch that was never opened', 'repair, closing', 'closing, results'],
  notRemoved: ['3 bytes each of position and code: dead by its answer, not removed', 'halts', 'halts, results'],
  damaged: ['`1`: the sweep passes over the batch', 'damage', 'sweep'],
  state: ['open, parked; missing if new', 'plan, open, checkpoint', 'open, checkpoint, sweep'],
  dueAt: ['ms: not to be opened before', 'plan, checkpoint', 'open, reconciler'],
  readyAt: ['instant from which it could be sent', 'plan', 'Ledger'],
  stampedAt: ['second of the stamps that are ours', 'open, checkpoint', 'open, checkpoint, merge, closing'],
  losses: ['owners lost in a row', 'open', 'open, checkpoint'],
  suspect: ['position of the only credited recipient, from 1', 'open', 'open'],
  settled: ['count, in this open', 'open, checkpoint', 'open, checkpoint'],
  recoveredOwners: ['nonces whose outcomes were merged', 'merge', 'open, checkpoint, merge, sweep'],
} as const satisfies Readonly<Record<string, FieldInfo>>

export type BatchField = keyof typeof batchFields
