import type { Secret } from './secret.ts'

/** The result of a request to the token service. */
export type TokenAnswer =
  | { readonly ok: true; readonly token: Secret; readonly expiresInSeconds: number }
  | {
      readonly ok: false
      /** Repeating the request with the same credentials will not help. */
      readonly permanent: boolean
      readonly code: string
      /** What happened and what to do; never contains a secret or text of the token service. */
      readonly explanation: string
      readonly retryAfterMs?: number | undefined
    }
