import type { Screen } from './screen.ts'
import { cut } from './columns.ts'
import { formatShare } from './format.ts'

export interface Step {
  readonly done: number
  /** Null while the total is unknown. */
  readonly total: number | null
  /** The text behind the bar: counts, rate, time left. */
  readonly note: string
}

export interface Progress {
  update(step: Step): void
  /** Ends the line. The last step is always shown. */
  end(step?: Step): void
}

const LIVE_EVERY_MS = 100
const PLAIN_EVERY_MS = 2000
const BAR_COLUMNS = 24

/** A live bar on a terminal; otherwise a plain line every two seconds and one at the end. */
export function createProgress(screen: Screen, label: string, nowMs: () => number = () => performance.now()): Progress {
  // A plain line before any progress is useless.
  let shownAtMs = screen.live ? Number.NEGATIVE_INFINITY : nowMs()
  let shown = ''
  let ended = false
  const show = (step: Step): void => {
    shownAtMs = nowMs()
    const line = progressLine(label, step, screen.live)
    if (line === shown) return
    shown = line
    if (screen.live) screen.rewrite(cut(line, Math.max(20, screen.columns - 1)))
    else screen.say(line)
  }
  return {
    update(step) {
      if (!ended && nowMs() - shownAtMs >= (screen.live ? LIVE_EVERY_MS : PLAIN_EVERY_MS)) show(step)
    },
    end(step) {
      if (ended) return
      ended = true
      if (step !== undefined) show(step)
      if (screen.live && shown !== '') screen.say()
    },
  }
}

/** `import  [██████░░░░]  61 %  61,000 of 100,000` */
export function progressLine(label: string, { done, total, note }: Step, drawn: boolean): string {
  if (total === null) return `${label}  ${note}`
  const share = total === 0 ? 1 : Math.min(1, done / total)
  const filled = share === 1 ? BAR_COLUMNS : Math.min(BAR_COLUMNS - 1, Math.floor(share * BAR_COLUMNS))
  const bar = drawn ? `[${'█'.repeat(filled)}${'░'.repeat(BAR_COLUMNS - filled)}]  ` : ''
  return `${label}  ${bar}${formatShare(done, total).padStart(6)}  ${note}`
}
