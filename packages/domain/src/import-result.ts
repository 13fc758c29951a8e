import * as z from 'zod'

const count = z.number().int()

/** A reason for which lines of an import were refused; it repeats nothing that they held. */
export const importErrorSchema = z
  .object({
    line: count.meta({ description: 'The first line with this reason, counted from 1.' }),
    code: z.string().meta({ description: 'A stable word for programs.' }),
    detail: z.string(),
    count: count.meta({ description: 'Lines with this reason.' }),
  })
  .meta({ id: 'ImportError' })
export type ImportError = Readonly<z.infer<typeof importErrorSchema>>

export const uriMoveSchema = z
  .object({
    line: count,
    channel: z.string(),
    from: z.string().meta({ description: 'The channel that had the URI before.' }),
  })
  .meta({ id: 'UriMove' })
export type UriMove = Readonly<z.infer<typeof uriMoveSchema>>

const counts = {
  created: count.meta({ description: 'Channels that are new, or registered again after their removal.' }),
  updated: count.meta({ description: 'Channels that changed.' }),
  unchanged: count.meta({ description: 'Channels that were registered like this before.' }),
  duplicates: count.meta({ description: 'Lines with an id that an earlier line had; the last line of an id wins.' }),
  rejected: count.meta({ description: 'Lines that were refused.' }),
}

/** The result of an import. Every line that is not blank counts once. */
export const importResultSchema = z
  .object({
    ...counts,
    errors: z.array(importErrorSchema).meta({ description: 'The first 100 reasons, by line.' }),
    rejectedLines: z
      .array(count)
      .optional()
      .meta({ description: 'The numbers of the lines that were refused, at most 10,000; absent without any.' }),
    skippedFields: count
      .optional()
      .meta({ description: 'Fields left out by `oddFields=skip-field`; `errors` has them as `skipped-field`.' }),
    moved: count.meta({ description: 'Channels that lost their URI to a line of this import.' }),
    moves: z.array(uriMoveSchema).meta({ description: 'The first 100 of them.' }),
  })
  .meta({ id: 'ImportResult' })
export type ImportResult = Readonly<z.infer<typeof importResultSchema>>

/** Lines that registered a channel, or found it registered like this. */
export function acceptedLines({ created, updated, unchanged, duplicates }: ImportResult): number {
  return created + updated + unchanged + duplicates
}
