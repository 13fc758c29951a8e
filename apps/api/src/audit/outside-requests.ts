import { userInfo } from 'node:os'
import type { AuditFacts } from '@wns-fanout/domain'
import type { Logger } from '@wns-fanout/runtime'
import type { AuditTrailOptions, Keys, RedisConnection } from '@wns-fanout/state'
import type { ApiConfig } from '../config.ts'
import { wireAudit } from '../wire.ts'

// Operations that no request asks for: they are done on the machine of the API, with the rights of its user.

type Limits = Pick<ApiConfig, 'WNS_FANOUT_AUDIT_MAX_ENTRIES' | 'WNS_FANOUT_AUDIT_DAYS'>

export function auditLimits(config: Limits): AuditTrailOptions {
  return { maxEntries: config.WNS_FANOUT_AUDIT_MAX_ENTRIES, maxDays: config.WNS_FANOUT_AUDIT_DAYS }
}

/** The first API key, or the one of a stack on one machine. */
export function keyBootstrapped(id: string): AuditFacts {
  return { time: new Date().toISOString(), actor: 'bootstrap', action: 'key.create', object: id, outcome: 'done' }
}

/** The loss of a data set was accepted. */
export function lossAccepted(dataSetIds: readonly string[]): AuditFacts {
  return {
    time: new Date().toISOString(),
    actor: 'operator',
    action: 'loss.accept',
    object: dataSetIds.join(' '),
    outcome: 'done',
  }
}

/** Enter an operation of a command. Its stdout has the result, so an entry that is not stored goes to the log. */
export async function auditCommand(
  redis: RedisConnection,
  keys: Keys,
  config: Limits,
  logger: Logger,
  facts: AuditFacts,
): Promise<void> {
  const { auditor } = wireAudit(redis, keys, {
    limits: auditLimits(config),
    isShipped: false,
    write: (line) => logger.error({ line }, 'an audit entry is not stored'),
    onUnstored: () => {},
  })
  await auditor.record('control', { ...facts, source: userOfProcess() })
}

/** The account that ran the command; a container may have none with a name. */
function userOfProcess(): string {
  try {
    return `user ${userInfo().username}`
  } catch {
    return 'user unknown'
  }
}
