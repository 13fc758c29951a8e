/** A whole system on one machine, as child processes that never outlive the process that started them. */
export { type FindRedisOptions, findRedis } from './find-redis.ts'
export { freePort } from './free-port.ts'
export { ensureKeyringFile, makeKeyring } from './keyring.ts'
export type { Probe, RunOptions, RunResult } from './probe.ts'
export { type Exit, describeExit, isAlive } from './processes.ts'
export { type StackFile, StackFileError, readStackFile, removeStackFile, writeStackFile } from './stack-file.ts'
export { type Child, type StartChildOptions, startChild } from './start-child.ts'
export { type LocalRedis, type StartRedisOptions, startRedis } from './start-redis.ts'
export {
  type Part,
  type PartEnded,
  type RestartPolicy,
  type Supervisor,
  type SupervisorOptions,
  createSupervisor,
} from './supervisor.ts'
export { type TemporaryFolder, temporaryFolder } from './temporary-folder.ts'
export type { RedisCommand } from './unpack-redis.ts'
export { workerHeapLimits } from './worker-heap-limits.ts'
export { dieWithParent } from './die-with-parent.ts'
