import type { Writable } from 'node:stream'
import { visibleText } from '@wns-fanout/domain'

/**
 * Where a command writes. Without `--json` all output is text on stdout. With `--json` stdout carries one JSON document
 * or NDJSON and nothing else, so texts and bars go to stderr. Texts may hold names that came from outside, so control
 * characters are shown as escapes, other than the ends of lines: a name neither controls the terminal nor forges a row.
 */
export interface Screen {
  readonly json: boolean
  /** Whether the terminal can rewrite a line in place. */
  readonly live: boolean
  readonly columns: number
  /** Writes a line of text. */
  say(line?: string): void
  writeLines(lines: readonly string[]): void
  /** Writes one JSON value on its own line; only with `--json`. */
  emit(value: unknown): void
  /** Writes `value` with `--json`, else `lines`. */
  show(value: unknown, lines: readonly string[]): void
  /** Writes raw bytes of a result (an export), with back-pressure. */
  write(chunk: string | Uint8Array): Promise<void>
  /** Rewrites the current line; only when `live`. */
  rewrite(line: string): void
}

type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export function createScreen(json: boolean, stdout: Stream = process.stdout, stderr: Stream = process.stderr): Screen {
  const text = json ? stderr : stdout
  // NDJSON and a bar on the same terminal would overwrite each other.
  const live = text.isTTY === true && !(json && stdout.isTTY === true) && process.env['TERM'] !== 'dumb'
  return {
    json,
    live,
    columns: text.columns || 80,
    say(line = '') {
      text.write(`${visibleLines(line)}\n`)
    },
    writeLines(lines) {
      if (lines.length > 0) text.write(`${lines.map(visibleLines).join('\n')}\n`)
    },
    emit(value) {
      if (json) stdout.write(`${visibleText(JSON.stringify(value))}\n`)
    },
    show(value, lines) {
      if (json) this.emit(value)
      else this.writeLines(lines)
    },
    async write(chunk) {
      if (stdout.write(chunk)) return
      await new Promise<void>((resolve, reject) => {
        const done = (error?: Error): void => {
          stdout.off('drain', done)
          stdout.off('error', done)
          if (error === undefined) resolve()
          else reject(error)
        }
        stdout.once('drain', done)
        stdout.once('error', done)
      })
    },
    rewrite(line) {
      if (live) text.write(`\r\u001B[K${visibleText(line)}`)
    },
  }
}

/** A text for people, whose own ends of lines stay. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visibleText).join('\n')
}
