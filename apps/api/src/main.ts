import { parseArgs } from 'node:util'
import { createLifecycle, createLogger, exitWhenParentGone, readConfig } from '@wns-fanout/runtime'
import { ApiKeys, closeRedis, connectRedis, Keys, readRedisAccess, redisAccessVariables } from '@wns-fanout/state'
import { reportLoss } from './accept-loss.ts'
import { auditCommand, keyBootstrapped, lossAccepted } from './audit/outside-requests.ts'
import { bootstrapKey } from './bootstrap-key.ts'
import { apiConfigSchema } from './config.ts'
import { openRedis, startApi } from './start.ts'

// The process of the API. On stdout it writes a line of JSON when it is ready, and the entries of the audit log;
// everything else goes to stderr.

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      'bootstrap-key': { type: 'string' },
      force: { type: 'boolean' },
      'accept-loss': { type: 'boolean' },
      yes: { type: 'boolean' },
    },
  })
  if (values['accept-loss'] === true) return await acceptLoss(values.yes === true)
  const config = readConfig(apiConfigSchema, process.env)
  const logger = createLogger({ name: 'api', level: config.LOG_LEVEL })
  const life = createLifecycle(logger)
  life.installSignals()
  exitWhenParentGone(life)
  const options = { config, env: process.env, logger, life }
  try {
    if (values['bootstrap-key'] === undefined) {
      const { api, ops } = await startApi(options)
      logger.info({ api, ops }, 'the API is ready')
      process.stdout.write(`${JSON.stringify({ ready: true, api, ops })}\n`)
      return
    }
    // Makes the first key instead of serving.
    const redis = await openRedis(options, await readRedisAccess(config))
    const keys = new Keys(config.WNS_FANOUT_PREFIX)
    const apiKeys = new ApiKeys(redis, keys)
    const made = await bootstrapKey(apiKeys, values['bootstrap-key'], { force: values.force === true })
    await auditCommand(redis, keys, config, logger, keyBootstrapped(made.id))
    process.stdout.write(`${JSON.stringify(made)}\n`)
    await life.stop('the key is made')
  } catch (error) {
    // A stop while starting is no failure.
    if (life.signal.aborted) return
    await life.stop('it could not start')
    throw error
  }
}

const ofRedis = {
  ...redisAccessVariables,
  WNS_FANOUT_PREFIX: true,
  LOG_LEVEL: true,
  WNS_FANOUT_AUDIT_MAX_ENTRIES: true,
  WNS_FANOUT_AUDIT_DAYS: true,
} as const

// Reports the missing data, and with --yes accepts its loss. Only needs the place of Redis.
async function acceptLoss(yes: boolean): Promise<void> {
  const config = readConfig(apiConfigSchema.pick(ofRedis), process.env)
  const logger = createLogger({ name: 'api', level: config.LOG_LEVEL })
  const life = createLifecycle(logger)
  life.installSignals()
  exitWhenParentGone(life)
  const redis = connectRedis(config.REDIS_URL, { ...(await readRedisAccess(config)), role: 'producer' })
  life.onStop('redis', () => closeRedis(redis))
  try {
    const keys = new Keys(config.WNS_FANOUT_PREFIX)
    const report = await reportLoss(redis, keys, { yes, signal: life.signal })
    if (report.accepted) {
      const missed = report.missed.map(({ dataSetId }) => dataSetId)
      await auditCommand(redis, keys, config, logger, lossAccepted(missed))
    }
    process.stdout.write(`${JSON.stringify(report)}\n`)
  } finally {
    await life.stop('that was all')
  }
}

try {
  await main()
} catch (error) {
  // What the operator must do is in the message; a stack would bury it.
  const message = error instanceof Error ? error.message : String(error)
  createLogger({ name: 'api' }).fatal(message)
  process.exitCode = 1
}
