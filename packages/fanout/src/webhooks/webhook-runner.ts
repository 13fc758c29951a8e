import type { AppEvent, AppId, FanoutEvent } from '@wns-fanout/domain'
import type { AppEvents, WebhookProgress, WebhookRecord, Webhooks } from '@wns-fanout/state'
import type { Transport } from '@wns-fanout/wns'
import pLimit from 'p-limit'
import { deliver } from './deliver.ts'
import { isOverdue, nextStep } from './next-step.ts'

export interface WebhookRunnerDeps {
  readonly webhooks: Webhooks
  readonly events: Pick<AppEvents, 'read'>
  readonly transport: Transport
  readonly emit: (event: FanoutEvent) => void
  /** Limit for one attempt in milliseconds. Default 10,000. */
  readonly deadlineMs?: number
  /** Redis time; other values are for tests. */
  readonly nowMs?: () => Promise<number>
}

/** Webhooks that are served at the same time. A slow receiver holds one place for ten seconds, then it rests. */
const AT_ONCE = 32
/** Events that a webhook gets before others have their turn. */
const EVENTS_A_TURN = 20

/**
 * Delivers the events of apps to their webhooks; the leader runs it. The queue of a webhook is the stream of events
 * and a cursor in Redis, so a restart loses nothing and a receiver that is away costs no memory. An event is delivered
 * at least once, always with the same id: a process may die between the answer and the cursor, and for a moment there
 * may be two leaders.
 */
export class WebhookRunner {
  readonly #deps: WebhookRunnerDeps
  readonly #running = new Map<string, Promise<void>>()
  readonly #limit = pLimit(AT_ONCE)

  constructor(deps: WebhookRunnerDeps) {
    this.#deps = deps
  }

  /** Start the deliveries that are due and not under way. Resolves when they have started. */
  async look(signal: AbortSignal): Promise<void> {
    const { webhooks } = this.#deps
    const nowMs = await this.#nowMs()
    for (const app of await webhooks.apps()) {
      if (signal.aborted) return
      await this.#lookAt(app, nowMs, signal).catch((error: unknown) => this.#failed(app, error))
    }
  }

  /** Resolves when no delivery is under way; abort the signal of `look` first to end them early. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  async #lookAt(app: AppId, nowMs: number, signal: AbortSignal): Promise<void> {
    const records = await this.#deps.webhooks.list(app)
    if (records.length === 0) await this.#deps.webhooks.forgetApp(app)
    for (const record of records) {
      const id = `${app} ${record.webhook}`
      if (!record.enabled || record.progress.nextAtMs > nowMs || this.#running.has(id)) continue
      const turn = this.#limit(() => this.#serve(app, record, signal))
        .catch((error: unknown) => this.#failed(app, error))
        .finally(() => this.#running.delete(id))
      this.#running.set(id, turn)
    }
  }

  #failed(app: AppId, error: unknown): void {
    this.#deps.emit({ type: 'operation.failed', operation: `webhooks of ${app}`, error })
  }

  /** Some events of one webhook, until one fails or its settings change. */
  async #serve(app: AppId, { webhook, updatedAtMs }: WebhookRecord, signal: AbortSignal): Promise<void> {
    for (let left = EVENTS_A_TURN; left > 0; left -= 1) {
      const record = await this.#deps.webhooks.get(app, webhook)
      if (signal.aborted || record === null || !record.enabled || record.updatedAtMs !== updatedAtMs) return
      if (!(await this.#deliverNext(app, record, signal))) return
    }
  }

  /** @returns whether there may be another event to deliver now */
  async #deliverNext(app: AppId, record: WebhookRecord, signal: AbortSignal): Promise<boolean> {
    const { webhooks, events, transport, emit, deadlineMs } = this.#deps
    const { webhook, url, types, progress } = record
    const page = await events.read(app, {
      after: progress.cursor,
      limit: 1,
      ...(types === undefined ? {} : { types: new Set(types) }),
    })
    if (page.missed) emit({ type: 'webhook.gave-up', app, webhook, reason: 'removed' })
    const [event] = page.items
    if (event === undefined) {
      // Events of other types are passed over once.
      if (page.cursor !== progress.cursor) await webhooks.note(app, webhook, { ...progress, cursor: page.cursor })
      return page.more
    }
    const nowMs = await this.#nowMs()
    const atMs = Date.parse(event.timestamp)
    if (isOverdue(progress, atMs, nowMs)) {
      emit({ type: 'webhook.gave-up', app, webhook, reason: 'too-old' })
      return webhooks.note(app, webhook, { ...progress, cursor: event.id })
    }
    const secrets = await webhooks.secrets(app, webhook, nowMs)
    if (secrets === null) return false
    const attempt = await deliver({ url, secrets, event }, transport, { deadlineMs, signal })
    // An attempt that the stop of this process cut short is no failure of the receiver.
    if (signal.aborted && attempt.answer.kind === 'no-answer') return false
    const step = nextStep(progress, { id: event.id, atMs }, attempt.answer, {
      nowMs: await this.#nowMs(),
      random: Math.random(),
    })
    this.#report(app, record, event, attempt, step)
    if (step.kind === 'disabled') {
      if (await webhooks.disable(app, record, step.progress, 'the receiver answered 410'))
        emit({ type: 'webhook.disabled', app, webhook })
      return false
    }
    await this.#note(app, record, step.progress)
    return step.kind === 'delivered'
  }

  #report(
    app: AppId,
    { webhook, progress }: WebhookRecord,
    { type: eventType }: AppEvent,
    { answer, durationMs }: Awaited<ReturnType<typeof deliver>>,
    step: ReturnType<typeof nextStep>,
  ): void {
    const { emit } = this.#deps
    const of = { app, webhook, eventType, durationMs: Math.round(durationMs) }
    if (step.kind === 'delivered') emit({ type: 'webhook.delivered', ...of, afterFailures: progress.failures })
    else
      emit({
        type: 'webhook.failed',
        ...of,
        failures: step.progress.failures,
        ...(answer.kind === 'answer' ? { status: answer.status } : { code: answer.code }),
      })
    if (step.kind === 'too-old' || step.kind === 'refused')
      emit({ type: 'webhook.gave-up', app, webhook, reason: step.kind })
  }

  /** Settings that were put meanwhile began with a progress of their own, which only gets the new cursor. */
  async #note(app: AppId, { webhook, updatedAtMs }: WebhookRecord, progress: WebhookProgress): Promise<void> {
    const now = await this.#deps.webhooks.get(app, webhook)
    const isSame = now?.updatedAtMs === updatedAtMs
    await this.#deps.webhooks.note(
      app,
      webhook,
      isSame ? progress : { cursor: progress.cursor, failures: 0, nextAtMs: 0 },
    )
  }

  async #nowMs(): Promise<number> {
    return await (this.#deps.nowMs ?? (() => this.#deps.webhooks.redisNowMs()))()
  }
}
