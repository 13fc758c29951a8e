import { randomBytes } from 'node:crypto'
import type { Client } from './clients.ts'

/** Store identities get legacy tokens, Entra applications their own; WNS treats them differently. */
export type Identity = 'store' | 'entra'

export interface Token {
  readonly client: Client
  readonly identity: Identity
  readonly expiresAtMs: number
  revoked: boolean
}

/** A checked bearer token: its owner if known, and the problem if it is rejected. */
export interface TokenCheck {
  readonly token: Token | undefined
  readonly problem: 'Invalid token' | 'Token expired' | undefined
}

const MAX_TOKENS = 100_000
const bearerScheme = /^bearer /i

/** The issued tokens; beyond 100,000 the oldest are removed. */
export class Tokens {
  readonly #byText = new Map<string, Token>()

  issue(client: Client, identity: Identity, lifetimeSeconds: number, nowMs: number): string {
    const random = randomBytes(48)
    const text = random.toString(identity === 'store' ? 'base64' : 'base64url')
    this.#byText.set(text, { client, identity, expiresAtMs: nowMs + lifetimeSeconds * 1000, revoked: false })
    if (this.#byText.size > MAX_TOKENS) {
      for (const oldest of this.#byText.keys()) {
        this.#byText.delete(oldest)
        break
      }
    }
    return text
  }

  /** Checks an Authorization header. */
  check(authorization: string, nowMs: number): TokenCheck {
    const token = bearerScheme.test(authorization) ? this.#byText.get(authorization.slice('bearer '.length)) : undefined
    if (token === undefined) return { token, problem: 'Invalid token' }
    return { token, problem: token.revoked || nowMs >= token.expiresAtMs ? 'Token expired' : undefined }
  }

  /** Revokes the tokens of one client, or of all; returns how many were still valid. */
  revoke(client: Client | undefined, nowMs: number): number {
    let revoked = 0
    for (const token of this.#byText.values()) {
      if (token.revoked || (client !== undefined && token.client !== client)) continue
      token.revoked = true
      if (nowMs < token.expiresAtMs) revoked += 1
    }
    return revoked
  }
}
