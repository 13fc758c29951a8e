import { cp, readFile, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@wns-fanout/local'

const ROOT = dirname(fileURLToPath(new URL('../../package.json', import.meta.url)))
/** Needed by the tests and large: the copy links to them. */
const linked = new Set(['node_modules', '.cache'])
const unneeded = new Set(['.git', '.turbo', 'dist'])

export interface SourceCopy extends AsyncDisposable {
  readonly root: string
  /** Replaces one place of a file while `run` runs. Throws if the text is not there exactly once. */
  withReplaced<T>(file: string, from: string, to: string, run: () => Promise<T>): Promise<T>
}

/** A copy of the repository in a temporary folder, so that a fault never reaches the checkout. */
export async function copySource(): Promise<SourceCopy> {
  const folder = await temporaryFolder('wns-fanout-mutations-')
  await cp(ROOT, folder.path, {
    recursive: true,
    // The packages refer to each other by relative links, which then stay within the copy.
    verbatimSymlinks: true,
    filter: (source) => !unneeded.has(basename(source)) && !linked.has(relative(ROOT, source)),
  })
  for (const name of linked) await symlink(join(ROOT, name), join(folder.path, name))
  return {
    root: folder.path,
    async withReplaced(file, from, to, run) {
      const path = join(folder.path, file)
      const text = await readFile(path, 'utf8')
      await writeFile(path, replaced(text, from, to, file))
      try {
        return await run()
      } finally {
        await writeFile(path, text)
      }
    },
    [Symbol.asyncDispose]: () => folder.remove(),
  }
}

function replaced(text: string, from: string, to: string, file: string): string {
  const [before, after, ...more] = text.split(from)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`${file} must contain once: ${from}; found ${text.split(from).length - 1} times`)
  return before + to + after
}
