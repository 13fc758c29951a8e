import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Failure } from '../failure.ts'

export type Program = 'api' | 'worker' | 'wns-simulator'

// Sources start sources; a build starts the build beside it.
const runsFromSource = import.meta.url.endsWith('.ts')

/** The main script of one of our programs. Throws a `Failure` where there is only the command line. */
export function scriptOf(program: Program): string {
  const path = fileURLToPath(
    new URL(`../../../${program}/${runsFromSource ? 'src/main.ts' : 'dist/main.js'}`, import.meta.url),
  )
  if (existsSync(path)) return path
  throw new Failure(
    'needs-checkout',
    'this command runs programs that the npm package does not have; run it in a checkout of wns-fanout, or set ' +
      'WNS_FANOUT_URL and WNS_FANOUT_API_KEY and use the commands for an API',
  )
}

/** Downloads that all stacks of this checkout share. Throws a `Failure` where there is none. */
export function cacheDir(): string {
  scriptOf('api')
  return fileURLToPath(new URL('../../../../.cache', import.meta.url))
}
