/** The HTTP API as a library, for those who run it inside another process; `main.ts` is the process of its own. */
export type { ApiDeps } from './deps.ts'
export { buildServer } from './server.ts'
