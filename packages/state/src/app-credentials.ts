import type { App, AppId, Credentials, SecretSource } from '@wns-fanout/domain'
import { normalizePackageSid, Problem, Secret } from '@wns-fanout/domain'
import type { Keyring } from './keyring.ts'
import type { SecretPlaces } from './secret-references.ts'
import { SecretReferences } from './secret-references.ts'

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

/**
 * A secret that this process cannot read. Its message is for the administrator of the app; the `cause` has the reason,
 * for the log of the process only.
 */
export class SecretUnavailableError extends Error {
  override readonly name = 'SecretUnavailableError'
  readonly code = 'secret-unavailable'
}

/** Seals the secrets of apps and reveals them again. */
export class AppCredentials {
  readonly #keyring: Keyring
  readonly #references: SecretReferences

  constructor(keyring: Keyring, places: SecretPlaces) {
    this.#keyring = keyring
    this.#references = new SecretReferences(places)
  }

  /** Throws the Problem `invalid` for references that the app may not have. */
  seal(app: AppId, credentials: Credentials): StoredCredentials {
    this.#refuseForeign(app, credentials)
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
  async reveal(app: AppId, stored: string): Promise<RevealedCredentials> {
    try {
      return await this.#revealed(app, JSON.parse(stored) as StoredCredentials)
    } catch (cause) {
      if (cause instanceof SecretUnavailableError) throw cause
      throw new SecretUnavailableError(`the credentials of app ${app} cannot be read; put the app again`, { cause })
    }
  }

  async #revealed(app: AppId, stored: StoredCredentials): Promise<RevealedCredentials> {
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
    if ('ref' in stored) return await this.#read(app, field, stored.ref)
    try {
      return new Secret(this.#keyring.open(sealedFor(app, field), stored.sealed))
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new SecretUnavailableError(`the ${field} of app ${app} cannot be unsealed: ${reason}`, { cause })
    }
  }

  /** One message for every failure: the reason would describe the files and variables of this process. */
  async #read(app: AppId, field: SecretField, ref: string): Promise<Secret> {
    const read = await this.#references.read(app, ref)
    if (read.ok) return new Secret(read.secret)
    throw new SecretUnavailableError(
      `the ${field} of app ${app} refers to ${ref}, where this process finds no secret; its log has the reason`,
      { cause: new Error(read.reason) },
    )
  }

  #refuseForeign(app: AppId, credentials: Credentials): void {
    const inputErrors = (['clientSecret', 'previousClientSecret'] as const).flatMap((field) => {
      const secret = credentials[field]
      const detail = typeof secret === 'object' ? this.#references.refusal(app, secret.ref) : undefined
      return detail === undefined ? [] : [{ path: ['credentials', field, 'ref'], code: 'secret-reference', detail }]
    })
    if (inputErrors.length > 0) throw new Problem('invalid', 'The app may not refer to these secrets', { inputErrors })
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
