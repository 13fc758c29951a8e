import { fileURLToPath } from 'node:url'

export type Program = 'api' | 'worker' | 'wns-simulator'

// Sources start sources; a build starts the build beside it.
const runsFromSource = import.meta.url.endsWith('.ts')

/** The main script of one of our programs. */
export function scriptOf(program: Program): string {
  return fileURLToPath(
    new URL(`../../../${program}/${runsFromSource ? 'src/main.ts' : 'dist/main.js'}`, import.meta.url),
  )
}

/** Downloads that all stacks of this checkout share. */
export function cacheDir(): string {
  return fileURLToPath(new URL('../../../../.cache', import.meta.url))
}
