import { fileURLToPath } from 'node:url'

/** A path from the root of the repository. */
export function root(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}
