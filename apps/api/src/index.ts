/** The HTTP API as a library, for use inside another process. `main.ts` runs it as a process of its own. */
export type { ApiDeps } from './deps.ts'
export { buildServer } from './server.ts'
