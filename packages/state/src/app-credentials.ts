import type { App, AppId, Credentials, SecretSource } from '@wns-fanout/domain'
import { normalizePackageSid, parseSecret, Secret } from '@wns-fanout/domain'
import type { Keyring } from './keyring.ts'
import { readSecretFile } from './secret-file.ts'

type SecretField = 'clientSecret' | 'previousClientSecret'
type StoredSecret = { readonly sealed: string } | { readonly ref: string }
type Stored<T> = T extends unknown
  ? Omit<T, SecretField> & { readonly clientSecret: StoredSecret; readonly previousClientSecret?: StoredSecret }
  : never

/** Credentials as Redis holds them: their secrets are sealed, or references. */
export type StoredCredentials = Stored<Credentials>

interface RevealedSecrets {
  readonly clientSecret: Secret
  readonly previousClientSecret?: Secret
}

/** Credentials with their secrets: for one token request, never to be kept. */
export type RevealedCredentials =
  | ({ readonly kind: 'store'; readonly packageSid: string } & RevealedSecrets)
  | ({ readonly kind: 'entra'; readonly tenantId: string; readonly clientId: string } & RevealedSecrets)

/** A secret that this process cannot read. Names the variable, file or key, never shows the secret. */
export class SecretUnavailableError extends Error {
  override readonly name = 'SecretUnavailableError'
  readonly code = 'secret-unavailable'
}

/** Seals the secrets of apps and reveals them again. */
export class AppCredentials {
  readonly #keyring: Keyring
  readonly #env: Readonly<Record<string, string | undefined>>

  /** @param env where `env:NAME` references are read */
  constructor(keyring: Keyring, env: Readonly<Record<string, string | undefined>>) {
    this.#keyring = keyring
    this.#env = env
  }

  seal(app: AppId, credentials: Credentials): StoredCredentials {
    const { clientSecret, previousClientSecret, ...rest } = credentials
    const identity =
      rest.kind === 'store' ? { ...rest, packageSid: normalizePackageSid(rest.packageSid) ?? rest.packageSid } : rest
    return {
      ...identity,
      clientSecret: this.#seal(app, 'clientSecret', clientSecret),
      ...(previousClientSecret === undefined
        ? {}
        : { previousClientSecret: this.#seal(app, 'previousClientSecret', previousClientSecret) }),
    }
  }

  /** References are read again each time, so a rotated file counts at once. Throws {@link SecretUnavailableError}. */
  async reveal(app: AppId, stored: StoredCredentials): Promise<RevealedCredentials> {
    const secrets = {
      clientSecret: await this.#reveal(app, 'clientSecret', stored.clientSecret),
      ...(stored.previousClientSecret === undefined
        ? {}
        : { previousClientSecret: await this.#reveal(app, 'previousClientSecret', stored.previousClientSecret) }),
    }
    return stored.kind === 'store'
      ? { kind: 'store', packageSid: stored.packageSid, ...secrets }
      : { kind: 'entra', tenantId: stored.tenantId, clientId: stored.clientId, ...secrets }
  }

  #seal(app: AppId, field: SecretField, secret: SecretSource): StoredSecret {
    return typeof secret === 'string' ? { sealed: this.#keyring.seal(sealedFor(app, field), secret) } : secret
  }

  async #reveal(app: AppId, field: SecretField, stored: StoredSecret): Promise<Secret> {
    if ('ref' in stored) return new Secret(await this.#read(`the ${field} of app ${app}`, stored.ref))
    try {
      return new Secret(this.#keyring.open(sealedFor(app, field), stored.sealed))
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new SecretUnavailableError(`the ${field} of app ${app} cannot be unsealed: ${reason}`, { cause })
    }
  }

  async #read(what: string, ref: string): Promise<string> {
    const parsed = parseSecret(await this.#textOf(what, ref))
    if (!parsed.ok) throw new SecretUnavailableError(`${what} refers to ${ref}: ${parsed.detail}`)
    return parsed.secret
  }

  async #textOf(what: string, ref: string): Promise<string> {
    if (ref.startsWith('env:')) {
      const text = this.#env[ref.slice(4)]
      if (text === undefined)
        throw new SecretUnavailableError(`${what} refers to ${ref}, which is not set in this process`)
      return text
    }
    const file = await readSecretFile(ref.slice(5))
    if (!file.ok) throw new SecretUnavailableError(`${what} refers to ${ref}, which ${file.detail}`)
    return file.text
  }
}

/** A sealed secret opens for its app and field only. */
function sealedFor(app: AppId, field: SecretField): string {
  return `wns-credentials|${app}|${field}`
}

/** The client whose tokens these credentials get. */
export function identityOf(credentials: StoredCredentials): string {
  return credentials.kind === 'store' ? credentials.packageSid : `${credentials.tenantId}/${credentials.clientId}`
}

/** As the API shows them: of a secret only that it is set. */
export function viewOf(stored: StoredCredentials): App['credentials'] {
  const secrets = {
    clientSecret: { set: true } as const,
    ...(stored.previousClientSecret === undefined ? {} : { previousClientSecret: { set: true } as const }),
  }
  return stored.kind === 'store'
    ? { kind: 'store', packageSid: stored.packageSid, ...secrets }
    : { kind: 'entra', tenantId: stored.tenantId, clientId: stored.clientId, ...secrets }
}
