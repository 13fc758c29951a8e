import type { AppId, Verification } from '@wns-fanout/domain'
import type { AppStore, RevealedCredentials } from '@wns-fanout/state'
import { SecretUnavailableError } from '@wns-fanout/state'
import type { TokenAnswer } from '@wns-fanout/domain'
import type { Logger } from '@wns-fanout/runtime'
import { notFound } from './auth.ts'

/**
 * Asks the token service for a token with an app's credentials, and forgets it. A secret by reference is read here, in
 * the API; the response reports a secret that only the workers have.
 */
export function verifyCredentials(
  apps: Pick<AppStore, 'credentials'>,
  ask: (credentials: RevealedCredentials) => Promise<TokenAnswer>,
  logger: Pick<Logger, 'warn'>,
) {
  return async (app: AppId): Promise<Verification> => {
    let credentials: RevealedCredentials | null
    try {
      credentials = await apps.credentials(app)
    } catch (error) {
      if (!(error instanceof SecretUnavailableError)) throw error
      logger.warn({ app, err: error }, 'the client secret of an app cannot be read')
      return { ok: false, code: error.code, explanation: error.message }
    }
    if (credentials === null) throw notFound('app')
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
