import type { FanoutEvent, Listener } from '@wns-fanout/domain'
import { type Logger, type Metrics, endReasonLabel, operationLabel, statusLabel } from '@wns-fanout/runtime'
import { LineLimit } from './line-limit.ts'

/** Turns events into metrics and log lines; both are decided only here. */
export function reporter(logger: Logger, metrics: Metrics): Listener {
  const limit = new LineLimit()
  return (event) => {
    measure(metrics, event)
    log(logger, limit, event)
  }
}

function measure(metrics: Metrics, event: FanoutEvent): void {
  switch (event.type) {
    case 'batch.checkpointed': {
      const app = metrics.appLabel(event.app)
      for (const { class: settled, count } of event.settled)
        metrics.sends.inc({ app, type: event.notificationType, class: settled }, count)
      for (const [status, count] of event.responses)
        metrics.httpResponses.inc({ app, status: statusLabel(status) }, count)
      for (const [reason, count] of event.retries) metrics.retries.inc({ app, reason }, count)
      for (const durationMs of event.durationsMs) metrics.sendDuration.observe({ app }, durationMs / 1000)
      metrics.checkpointDuration.observe(event.checkpointMs / 1000)
      return
    }
    case 'batch.opened': {
      const app = metrics.appLabel(event.app)
      if (event.takeover) metrics.takeovers.inc({ app })
      if (event.guardAdmitted > 0) metrics.guard.inc({ app, decision: 'admitted' }, event.guardAdmitted)
      for (const { class: settled, count } of event.settled) {
        metrics.sends.inc({ app, type: event.notificationType, class: settled }, count)
        if (settled === 'suppressed') metrics.guard.inc({ app, decision: 'suppressed' }, count)
      }
      return
    }
    case 'recipients.settled':
    case 'batch.outcomes-merged': {
      const app = metrics.appLabel(event.app)
      for (const { class: settled, count } of event.settled)
        metrics.sends.inc({ app, type: event.notificationType, class: settled }, count)
      return
    }
    case 'batch.fenced':
      metrics.batchesFenced.inc({ app: metrics.appLabel(event.app) })
      return
    case 'worker.died':
      metrics.workersDied.inc()
      return
    case 'permits.waited':
      metrics.permitWait.observe({ app: metrics.appLabel(event.app) }, event.waitMs / 1000)
      return
    case 'reconciled':
      metrics.reconciled.inc({ app: metrics.appLabel(event.app), reason: event.reason }, event.count)
      return
    case 'ledger.rolled-back':
      metrics.redisRollbacks.inc()
      return
    case 'ledger.damaged':
      metrics.ledgerDamaged.inc({ app: metrics.appLabel(event.app) })
      return
    case 'data-set.changed':
      metrics.dataLost.set(event.problem === undefined ? 0 : 1)
      if (event.problem !== undefined) metrics.redisRollbacks.inc()
      return
    case 'app.unreadable':
      metrics.unreadableRecords.inc({ kind: 'app' })
      return
    case 'schedule.unreadable':
      metrics.unreadableRecords.inc({ kind: 'schedule' })
      return
    case 'schedule.ran':
      metrics.scheduleRuns.inc({ app: metrics.appLabel(event.app), result: 'ran' })
      return
    case 'schedule.refused': {
      const result = event.code === 'empty-audience' ? event.code : 'refused'
      metrics.scheduleRuns.inc({ app: metrics.appLabel(event.app), result })
      return
    }
    case 'schedule.stopped':
      metrics.scheduleRuns.inc({ app: metrics.appLabel(event.app), result: 'stopped' })
      return
    case 'webhook.delivered':
    case 'webhook.failed':
    case 'webhook.gave-up':
    case 'webhook.disabled': {
      const result = event.type.slice('webhook.'.length)
      metrics.webhookDeliveries.inc({ app: metrics.appLabel(event.app), result })
      return
    }
    case 'guideline.exceeded':
      metrics.guard.inc({ app: metrics.appLabel(event.app), decision: 'faster-than-guideline' })
      return
    case 'campaign.finished': {
      const app = metrics.appLabel(event.app)
      metrics.campaignsEnded.inc({ app, state: event.state, reason: endReasonLabel(event.reason) })
      if (event.durationMs !== undefined) metrics.campaignDuration.observe({ app }, event.durationMs / 1000)
      return
    }
    case 'operation.failed':
      metrics.operationErrors.inc({ operation: operationLabel(event.operation) })
      return
    case 'replication.changed':
    case 'batch.parked':
    case 'batch.closed':
    case 'permits.granted':
    case 'rate.decreased':
    case 'campaign.launched':
    case 'ledger.other-version':
    case 'post.refused':
    case 'app.throttled':
    case 'token.unavailable':
    case 'breaker.probed':
      return
    default:
      event satisfies never
  }
}

function log(logger: Logger, limit: LineLimit, event: FanoutEvent): void {
  const { type, ...fields } = event
  switch (event.type) {
    case 'batch.checkpointed':
      return
    case 'batch.closed':
    case 'batch.parked':
    case 'recipients.settled':
      logger.debug(fields, type)
      return
    case 'batch.opened':
      if (event.takeover) logger.warn(fields, 'batch taken over from an owner that stopped checkpointing')
      else logger.debug(fields, type)
      return
    case 'batch.fenced':
      logger.warn(fields, 'batch given up: another worker owns it')
      return
    case 'worker.died':
      logger.warn(fields, 'a worker died, and others get its jobs')
      return
    case 'batch.outcomes-merged':
      limit.write(event.type, (suppressed) =>
        logger.warn({ ...fields, ...suppressed }, 'merged outcomes that the ledger did not have'),
      )
      return
    case 'campaign.launched':
    case 'campaign.finished':
    case 'schedule.ran':
    case 'reconciled':
    case 'breaker.probed':
      logger.info(fields, type)
      return
    case 'post.refused':
      limit.write(`${event.type} ${event.campaign} ${event.status}`, (suppressed) =>
        logger.warn({ ...fields, ...suppressed }, 'WNS rejected a notification permanently'),
      )
      return
    case 'rate.decreased':
      logger.warn(fields, 'WNS throttles the app')
      return
    case 'guideline.exceeded':
      logger.warn(fields, 'campaign exceeds the WNS guideline')
      return
    case 'ledger.rolled-back':
      limit.write(event.type, (suppressed) =>
        logger.error({ ...fields, ...suppressed }, 'Redis lost writes that it had acknowledged'),
      )
      return
    case 'ledger.damaged':
      logger.error(fields, 'campaign halted: its ledger is damaged')
      return
    case 'ledger.other-version':
      logger.warn(fields, 'campaign left alone: it belongs to another ledger version')
      return
    case 'data-set.changed':
      if (event.problem === undefined)
        logger.warn('sending resumed: Redis holds the previous data again, or its loss was accepted')
      else logger.error(fields, 'sending stopped: Redis does not hold the previous data')
      return
    case 'replication.changed':
      if (event.problem === undefined) logger.info('sending resumed: replicas acknowledge writes again')
      else logger.warn(fields, 'sending stopped: no replica acknowledges writes')
      return
    case 'app.throttled':
      logger.debug(fields, type)
      return
    case 'permits.granted':
    case 'permits.waited':
      logger.trace(fields, type)
      return
    case 'schedule.refused': {
      const { error, ...rest } = event
      logger.warn({ ...rest, err: error }, 'a schedule could not start its campaign')
      return
    }
    case 'schedule.stopped':
      logger.warn(fields, 'a schedule did not run: the API key that put it is revoked or expired')
      return
    case 'webhook.delivered':
      if (event.afterFailures > 0) logger.info(fields, 'a webhook takes events again')
      else logger.debug(fields, type)
      return
    case 'webhook.failed':
      if (event.failures === 1) logger.warn(fields, 'a webhook fails')
      else logger.info(fields, type)
      return
    case 'webhook.gave-up':
      limit.write(`${event.type} ${event.app} ${event.webhook}`, (suppressed) =>
        logger.error({ ...fields, ...suppressed }, 'an event was not delivered to a webhook'),
      )
      return
    case 'webhook.disabled':
      logger.warn(fields, 'a webhook is disabled: its receiver answered 410')
      return
    case 'app.unreadable':
      logger.error(fields, 'the stored record of an app cannot be read')
      return
    case 'schedule.unreadable':
      logger.error(fields, 'a schedule cannot be read and does not run')
      return
    case 'token.unavailable': {
      const { error, ...rest } = event
      logger.warn({ ...rest, err: error }, 'no token for the app')
      return
    }
    case 'operation.failed': {
      const { error, ...rest } = event
      limit.write(`${event.type} ${operationLabel(event.operation)}`, (suppressed) =>
        logger.warn({ ...rest, err: error, ...suppressed }, 'operation failed'),
      )
      return
    }
    default:
      event satisfies never
  }
}
