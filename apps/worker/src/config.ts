import { crashPoints } from '@wns-fanout/fanout'
import { baseConfig, readConfig, variable } from '@wns-fanout/runtime'
import * as z from 'zod'

const { PORT: _, ...shared } = baseConfig

const schema = z.object({
  ...shared,
  WNS_CRASH_AT: variable(z.templateLiteral([z.enum(crashPoints), ':', z.int().min(1)]).optional(), {
    wanted: '<crash point>:<n>, the points being those of test/chaos/README.md',
    example: 'post-written:3',
    meaning: 'For tests only: the process kills itself when it comes to this point for the nth time.',
    usedBy: ['worker'],
  }),
})

/** What a worker is told by its environment; throws one error with every problem. */
export const workerConfig = (env: NodeJS.ProcessEnv) => readConfig(schema, env)
export type WorkerConfig = ReturnType<typeof workerConfig>
