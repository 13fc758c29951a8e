import { createHmac, randomBytes } from 'node:crypto'
import type { AppId, TokenAnswer, Verification } from '@wns-fanout/domain'
import type { AppStore, RevealedCredentials } from '@wns-fanout/state'
import { SecretUnavailableError } from '@wns-fanout/state'
import type { Logger } from '@wns-fanout/runtime'
import { notFound } from './not-found.ts'

/** How long a dry run shows an earlier answer of the token service. */
const REMEMBERED_MS = 60_000

type Verify = (credentials: RevealedCredentials) => Promise<Verification>

/**
 * Judges an app's credentials. A secret by reference is read here, in the API; the response reports a secret that only
 * the workers have.
 */
export function verifyCredentials(
  apps: Pick<AppStore, 'credentials'>,
  verify: Verify,
  logger: Pick<Logger, 'warn'>,
): (app: AppId) => Promise<Verification> {
  return async (app) => {
    let credentials: RevealedCredentials | null
    try {
      credentials = await apps.credentials(app)
    } catch (error) {
      if (!(error instanceof SecretUnavailableError)) throw error
      logger.warn({ app, err: error }, 'the client secret of an app cannot be read')
      return { ok: false, code: error.code, explanation: error.message }
    }
    if (credentials === null) throw notFound('app', app)
    return verify(credentials)
  }
}

/** Asks the token service for a token, and forgets the token. */
export function askedNow(ask: (credentials: RevealedCredentials) => Promise<TokenAnswer>): Verify {
  return async (credentials) => {
    const answer = await ask(credentials)
    if (!answer.ok) return { ok: false, code: answer.code, explanation: answer.explanation }
    return {
      ok: true,
      code: 'ok',
      explanation: 'The token service accepts the credentials.',
      expiresInSeconds: answer.expiresInSeconds,
    }
  }
}

/**
 * The same judgment for a minute, so that many dry runs are one request to the token service. Other credentials are
 * judged at once: answers are remembered by a keyed digest of the credentials, which keeps no secret in memory.
 */
export function askedLately(verify: Verify, nowMs: () => number = () => performance.now()): Verify {
  const key = randomBytes(32)
  const remembered = new Map<string, { readonly atMs: number; readonly verification: Promise<Verification> }>()
  return (credentials) => {
    const now = nowMs()
    for (const [digest, { atMs }] of remembered) if (now - atMs >= REMEMBERED_MS) remembered.delete(digest)
    const digest = digestOf(credentials, key)
    const known = remembered.get(digest)
    if (known !== undefined) return known.verification
    const verification = verify(credentials)
    remembered.set(digest, { atMs: now, verification })
    // A request without an answer proves nothing about the credentials: the next dry run asks again.
    verification.catch(() => remembered.delete(digest))
    return verification
  }
}

function digestOf(credentials: RevealedCredentials, key: Buffer): string {
  const { clientSecret, previousClientSecret } = credentials
  // A secret hides itself in JSON, so it is added revealed.
  const parts = [JSON.stringify(credentials), clientSecret.reveal(), previousClientSecret?.reveal()]
  return createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64')
}
