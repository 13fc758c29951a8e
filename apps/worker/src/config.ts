import { crashPoints } from '@wns-fanout/fanout'
import { baseConfig, crashAtVariable, readConfig } from '@wns-fanout/runtime'
import * as z from 'zod'

const { PORT: _, ...shared } = baseConfig

const schema = z.object({
  ...shared,
  WNS_CRASH_AT: crashAtVariable(crashPoints),
})

/** The configuration of a worker from its environment; throws one error with every problem. */
export function workerConfig(env: NodeJS.ProcessEnv) {
  return readConfig(schema, env)
}
export type WorkerConfig = ReturnType<typeof workerConfig>
