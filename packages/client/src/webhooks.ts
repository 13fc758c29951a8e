import type { Webhook, WebhookRequest, WebhookTest } from '@wns-fanout/domain'
import type { Http } from './http.ts'

export interface Abortable {
  /** Aborts the call. */
  readonly signal?: AbortSignal | undefined
}

function pathOf(app: string, webhook: string): string {
  return `/apps/${encodeURIComponent(app)}/webhooks/${encodeURIComponent(webhook)}`
}

/** The calls for the webhooks of apps. */
export function webhookCalls(
  http: Http,
  pages: <T>(path: string, query: Readonly<Record<string, string>>, options: Abortable) => AsyncGenerator<T>,
) {
  return {
    /** Creates or replaces a webhook; only the answer that makes its secret contains it. */
    putWebhook: (app: string, webhook: string, request: WebhookRequest, { signal }: Abortable = {}) =>
      http.json<Webhook>({
        method: 'PUT',
        path: pathOf(app, webhook),
        signal,
        body: { type: 'application/json', content: JSON.stringify(request) },
      }),
    webhook: (app: string, webhook: string, { signal }: Abortable = {}) =>
      http.json<Webhook>({ method: 'GET', path: pathOf(app, webhook), signal }),
    /** The webhooks of an app, by name. */
    webhooks: (app: string, options: Abortable = {}) =>
      pages<Webhook>(`/apps/${encodeURIComponent(app)}/webhooks`, {}, options),
    deleteWebhook: (app: string, webhook: string, { signal }: Abortable = {}) =>
      http.json<void>({ method: 'DELETE', path: pathOf(app, webhook), signal }),
    /** Posts a test event now. */
    testWebhook: (app: string, webhook: string, { signal }: Abortable = {}) =>
      http.json<WebhookTest>({ method: 'POST', path: `${pathOf(app, webhook)}/test`, signal }),
  }
}
