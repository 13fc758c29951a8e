import type { Line } from './lines.ts'
import { MAX_LINE_BYTES } from './lines.ts'

/** Why a line holds no record; neither field repeats the line. */
export interface LineIssue {
  /** A stable word for programs. */
  readonly code: string
  readonly detail: string
}

export type LineRecord =
  | { readonly line: number; readonly input: unknown }
  | { readonly line: number; readonly issue: LineIssue }

/** Turns lines of one format into records that no schema has judged yet. */
export interface RecordReader {
  /** One record or issue for each line that should hold one. Throws the Problem `invalid` for another format. */
  readonly read: (lines: readonly Line[]) => readonly LineRecord[]
  /** Throws the Problem `invalid` when an upload of this format may not end here. */
  readonly end: () => void
}

/** A line that could not be read as text. */
export function unreadable({ number, defect }: Line): LineRecord | undefined {
  switch (defect) {
    case undefined:
      return undefined
    case 'line-too-long':
      return { line: number, issue: { code: defect, detail: `a line may have at most ${MAX_LINE_BYTES} bytes` } }
    case 'encoding':
      return { line: number, issue: { code: defect, detail: 'the line is not UTF-8' } }
    default:
      return defect satisfies never
  }
}
