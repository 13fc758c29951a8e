import { randomUUID } from 'node:crypto'
import type { AppId, Secret, WebhookTest } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import type { WebhookRecord, Webhooks } from '@wns-fanout/state'
import type { HttpsAnswer, Transport } from '@wns-fanout/wns'
import { httpsPost } from '@wns-fanout/wns'
import { signedHeaders } from './sign.ts'

const DEADLINE_MS = 10_000

export interface Delivery {
  readonly url: string
  readonly secrets: readonly Secret[]
  readonly event: { readonly id: string; readonly app: string; readonly type: string }
}

/** How an attempt ended. `problem` is for people, and contains neither the URL nor anything from the receiver. */
export interface Attempt {
  readonly answer: HttpsAnswer
  readonly durationMs: number
}

/** Post an event to a webhook once. Never throws. */
export async function deliver(
  { url, secrets, event }: Delivery,
  transport: Transport,
  {
    deadlineMs = DEADLINE_MS,
    signal,
  }: { readonly deadlineMs?: number | undefined; readonly signal?: AbortSignal } = {},
): Promise<Attempt> {
  const startedMs = performance.now()
  const body = JSON.stringify(event)
  const signed = signedHeaders(secrets, { id: `evt_${event.app}_${event.id}`, atMs: Date.now(), body })
  const headers = { 'content-type': 'application/json', 'user-agent': 'wns-fanout', ...signed }
  const limits = { deadlineMs, ...(signal === undefined ? {} : { signal }) }
  const answer = await httpsPost({ url, headers, body }, transport, limits)
  return { answer, durationMs: performance.now() - startedMs }
}

/** Why an answer is no delivery, for people; undefined if it is one. */
export function problemOf(answer: HttpsAnswer): string | undefined {
  if (answer.kind === 'no-answer') return answer.explanation
  const { status } = answer
  if (status >= 200 && status < 300) return undefined
  return status >= 300 && status < 400
    ? `the receiver answered ${status}; redirects are not followed`
    : `the receiver answered ${status}`
}

/** Post a test event to a webhook now, also to one that is disabled. Throws the Problem `not-found`. */
export async function testWebhook(
  webhooks: Pick<Webhooks, 'secrets' | 'redisNowMs'>,
  transport: Transport,
  app: AppId,
  { webhook, url }: Pick<WebhookRecord, 'webhook' | 'url'>,
): Promise<WebhookTest> {
  const secrets = await webhooks.secrets(app, webhook, await webhooks.redisNowMs())
  if (secrets === null) throw new Problem('not-found', `there is no webhook ${webhook}`)
  const timestamp = new Date().toISOString()
  const event = { id: `test-${randomUUID()}`, type: 'webhook.test', app, timestamp, data: { webhook } }
  const { answer, durationMs } = await deliver({ url, secrets, event }, transport)
  const problem = problemOf(answer)
  return {
    delivered: problem === undefined,
    ...(answer.kind === 'answer' ? { status: answer.status } : {}),
    ...(problem === undefined ? {} : { problem }),
    durationMs: Math.round(durationMs),
  }
}
