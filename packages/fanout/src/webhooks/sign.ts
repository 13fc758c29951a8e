import { createHmac } from 'node:crypto'
import type { Secret } from '@wns-fanout/domain'
import { secretBytes } from '@wns-fanout/domain'

/**
 * The headers of Standard Webhooks (https://www.standardwebhooks.com): the receiver checks the signature of id, time
 * and body. With several secrets there is a signature by each, so that the receiver can change its secret at any time.
 *
 * @param id unique, without a full stop, and the same for each attempt
 */
export function signedHeaders(
  secrets: readonly Secret[],
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: string },
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(atMs / 1000))
  const signatures = secrets.map((secret) => {
    const mac = createHmac('sha256', secretBytes(secret.reveal()) ?? '').update(`${id}.${timestamp}.${body}`)
    return `v1,${mac.digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
