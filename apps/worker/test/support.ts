import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Registration } from '@wns-fanout/domain'
import { parseImportLine } from '@wns-fanout/domain'
import { Campaigns, Queues, conditionOf } from '@wns-fanout/fanout'
import { temporaryFolder } from '@wns-fanout/local'
import {
  AppStore,
  Audiences,
  CampaignStore,
  Keyring,
  Keys,
  Ledger,
  Permits,
  Registry,
  closeRedis,
  connectRedis,
} from '@wns-fanout/state'
import { removeKeysWith } from '@wns-fanout/testing'
import { inject, onTestFinished } from 'vitest'

export interface WorkerEnv {
  readonly env: Readonly<Record<string, string>>
  /** Lines of the keyring file. */
  readonly keyring: string
  /** Removed at the end of the test. */
  readonly folder: string
}

/** The environment of a worker that shares the Redis of the test run, with a prefix and a keyring of its own. */
export async function workerEnv(more: Readonly<Record<string, string>> = {}): Promise<WorkerEnv> {
  const folder = await temporaryFolder('wns-fanout-worker-')
  onTestFinished(() => folder.remove())
  const keyring = `one ${randomBytes(32).toString('base64')}`
  const keyringFile = join(folder.path, 'keyring')
  await writeFile(keyringFile, keyring, { mode: 0o600 })
  const env = {
    REDIS_URL: inject('redisUrl'),
    WNS_FANOUT_PREFIX: `w${randomBytes(6).toString('hex')}:`,
    WNS_FANOUT_KEYRING_FILE: keyringFile,
    WNS_FANOUT_ALLOW_VOLATILE_REDIS: '1',
    WNS_FANOUT_LANES: '8',
    WNS_FANOUT_LOCK_MS: '6000',
    WNS_FANOUT_HOST: '127.0.0.1',
    OPS_PORT: '0',
    LOG_LEVEL: 'silent',
    ...more,
  }
  return { env, keyring, folder: folder.path }
}

/** An installation as the API has it, with the Redis and the keyring of the worker. */
export function installation({ env, keyring }: WorkerEnv) {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  const keys = new Keys(env['WNS_FANOUT_PREFIX'] ?? '')
  const apps = new AppStore(redis, keys, Keyring.parse(keyring), {
    secrets: { env: {}, dir: env['WNS_FANOUT_SECRETS_DIR'] },
  })
  const registry = new Registry(redis, keys)
  const queues = new Queues(redis, keys, () => {})
  const campaigns = new Campaigns({
    redis,
    keys,
    apps,
    registry,
    audiences: new Audiences(redis, keys),
    campaigns: new CampaignStore(redis, keys),
    ledger: new Ledger(redis, keys),
    queues,
    condition: conditionOf(apps, new Permits(redis, keys)),
  })
  onTestFinished(async () => {
    await queues.close()
    await removeKeysWith(redis, keys.prefix)
    await closeRedis(redis)
  })
  /** Connections that BullMQ has named after a queue of this installation. */
  const namedConnections = async (): Promise<number> => {
    const list = String(await redis.client('LIST'))
    return list.split('\n').filter((line) => line.includes(`name=${keys.sendQueuePrefix('news')}`)).length
  }
  return { apps, registry, campaigns, namedConnections }
}

/** @param behavior how the simulator answers to the channel */
export function registrationOf(channel: string, behavior: string): Registration {
  const parsed = parseImportLine({ channel, uri: `https://db5p.notify.windows.com/?token=${behavior}` })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.inputErrors))
  return parsed.value
}
