import { readFileSync, readdirSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

// Folders that installing, building and running create; none is tracked.
const generated = new Set(['node_modules', 'dist', '.git', '.cache', '.turbo', '.wns-fanout', '.vite-temp', 'coverage'])

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (generated.has(entry.name) || /\.(log|tsbuildinfo)$/.test(entry.name)) continue
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* walk(path)
    else if (entry.isFile()) yield path.split(sep).join('/')
  }
}

/** Every file of the repository, as a path from its root with `/`. Works without git, in an unpacked archive too. */
export const files: readonly string[] = [...walk('')].toSorted()

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Files whose path matches. Throws if there are none, because a check of no files would always pass. */
export function filesLike(pattern: RegExp): readonly string[] {
  const found = files.filter((path) => pattern.test(path))
  if (found.length === 0) throw new Error(`no file is like ${String(pattern)}`)
  return found
}

export interface Place {
  readonly file: string
  readonly line: number
  readonly text: string
}

/** The lines that match `pattern`. */
export function placesOf(paths: readonly string[], pattern: RegExp): readonly Place[] {
  return paths.flatMap((file) =>
    textOf(file)
      .split('\n')
      .flatMap((text, index) => (pattern.test(text) ? [{ file, line: index + 1, text: text.trim() }] : [])),
  )
}

/** Readable values for an assertion. */
export function shown(places: readonly Place[]): readonly string[] {
  return places.map(({ file, line, text }) => `${file}:${line}: ${text.slice(0, 120)}`)
}
