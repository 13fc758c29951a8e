import type { AppId } from '@wns-fanout/domain'
import type { TokenSource } from '@wns-fanout/fanout'
import type { AppStore, RevealedCredentials, TokenPool } from '@wns-fanout/state'
import { SecretUnavailableError } from '@wns-fanout/state'
import type { Transport } from '@wns-fanout/wns'
import { requestToken } from '@wns-fanout/wns'

/** One request to the token service; with a second secret, both are tried before the credentials count as bad. */
export async function askForToken(
  apps: AppStore,
  app: AppId,
  transport: Transport,
  onUnavailable: (error: SecretUnavailableError) => void,
) {
  let credentials: RevealedCredentials | null
  try {
    credentials = await apps.credentials(app)
  } catch (error) {
    if (!(error instanceof SecretUnavailableError)) throw error
    // Asking again does not help before an operator acts, and each pause between the requests looks again.
    onUnavailable(error)
    return { ok: false, permanent: true, code: error.code, explanation: error.message } as const
  }
  if (credentials === null)
    return { ok: false, permanent: true, code: 'no-app', explanation: `app ${app} does not exist any more` } as const
  const { previousClientSecret, ...current } = credentials
  const answer = await requestToken(current, transport)
  if (answer.ok || !answer.permanent || previousClientSecret === undefined) return answer
  const previous = await requestToken({ ...current, clientSecret: previousClientSecret }, transport)
  return previous.ok ? previous : answer
}

/** The token of one app as its batches use it. */
export function tokenSource(tokens: TokenPool, app: AppId): TokenSource {
  return {
    current: () => tokens.peek(app),
    fetch: async () => {
      await tokens.get(app)
    },
    renew: (refused) => tokens.renew(app, refused),
  }
}
