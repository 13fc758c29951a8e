import { baseConfig, readConfig } from '@wns-fanout/runtime'
import * as z from 'zod'

const { PORT: _, ...shared } = baseConfig

const schema = z.object(shared)

/** What a worker is told by its environment; throws one error with every problem. */
export const workerConfig = (env: NodeJS.ProcessEnv) => readConfig(schema, env)
export type WorkerConfig = ReturnType<typeof workerConfig>
