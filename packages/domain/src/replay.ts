import * as z from 'zod'
import type { RecipientClass } from './vector.ts'
import { classes, codeTable, NOT_REMOVED } from './vector.ts'

/** Classes of recipients that a replay can send to: those that are settled and were not accepted. */
export const replayClasses = classes.filter((name) => name !== 'accepted' && name !== 'pending')
type ReplayClass = Exclude<RecipientClass, 'accepted' | 'pending'>

/** The classes of each reason. A recipient whose channel was not removed is `pending` while its campaign is halted. */
const classesOfReason = new Map<string, Set<RecipientClass>>([[NOT_REMOVED, new Set(['cancelled', 'lapsed'])]])
for (const { class: name, reason } of codeTable) {
  if (reason === '' || name === 'pending') continue
  classesOfReason.set(reason, (classesOfReason.get(reason) ?? new Set()).add(name))
}
export const replayReasons: readonly string[] = [...classesOfReason.keys()]

/** The recipients of an earlier campaign that a replay sends to; a field that is absent matches all. */
export interface ReplayFilter {
  readonly classes?: readonly ReplayClass[] | undefined
  readonly reasons?: readonly string[] | undefined
}

export const replayShape = {
  classes: z
    .array(z.enum(replayClasses as ReplayClass[]))
    .min(1)
    .optional(),
  reasons: z.array(z.enum(replayReasons)).min(1).optional(),
}

export const replaySchema = z
  .strictObject(replayShape)
  .superRefine((filter, context) => {
    if (filter.classes === undefined && filter.reasons === undefined)
      context.addIssue({ code: 'custom', message: 'a replay needs classes, reasons or both', path: ['classes'] })
    addMismatches(filter, context)
  })
  .meta({ id: 'Replay' })

/** A reason that belongs to none of the classes would match no recipient. */
export function addMismatches({ classes: wanted, reasons }: ReplayFilter, context: z.RefinementCtx): void {
  if (wanted === undefined) return
  for (const [at, reason] of (reasons ?? []).entries()) {
    const of = [...(classesOfReason.get(reason) ?? [])]
    if (of.some((name) => wanted.some((each) => each === name))) continue
    const message = `the reason ${reason} belongs to ${of.join(' and ')}; add the class, or leave out classes`
    context.addIssue({ code: 'custom', message, path: ['reasons', at] })
  }
}

const replayable = new Set<RecipientClass>(replayClasses)

/** Does a replay send to a recipient with this result? */
export function isReplayed(
  { class: name, reason }: { readonly class: RecipientClass; readonly reason?: string | undefined },
  filter: ReplayFilter,
): boolean {
  if (filter.reasons !== undefined && (reason === undefined || !filter.reasons.includes(reason))) return false
  // Nothing else is known of a pending recipient, and the halted campaign may still send to it.
  if (name === 'pending') return reason === NOT_REMOVED && filter.classes === undefined && filter.reasons !== undefined
  return filter.classes === undefined ? replayable.has(name) : filter.classes.some((each) => each === name)
}
