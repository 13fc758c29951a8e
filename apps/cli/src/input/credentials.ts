import { UsageError } from '../failure.ts'
import { withoutAbsent } from './campaign-request.ts'
import { readJson, readSecret } from './read.ts'

/** The credentials of an app as options; secrets come from files, from stdin or as references. */
export interface CredentialOptions {
  readonly credentialsFile?: string
  readonly kind?: string
  readonly packageSid?: string
  readonly tenantId?: string
  readonly clientId?: string
  readonly clientSecretFile?: string
  readonly clientSecretRef?: string
  readonly previousClientSecretFile?: string
}

/** The credentials for the API, which validates them. Throws `UsageError`. */
export async function credentialsOf(options: CredentialOptions): Promise<unknown> {
  const {
    credentialsFile,
    kind,
    packageSid,
    tenantId,
    clientId,
    clientSecretFile,
    clientSecretRef,
    previousClientSecretFile,
  } = options
  if (credentialsFile !== undefined) {
    if (kind !== undefined || clientSecretFile !== undefined || clientSecretRef !== undefined)
      throw new UsageError('use either --credentials-file, or --kind with its options')
    return await readJson(credentialsFile)
  }
  if (kind === undefined)
    throw new UsageError(
      'the credentials are missing; give --credentials-file FILE, or --kind store|entra with its options',
    )
  if ((clientSecretFile === undefined) === (clientSecretRef === undefined))
    throw new UsageError(
      'give exactly one of --client-secret-file FILE (or "-") and --client-secret-ref env:NAME|file:PATH',
    )
  return withoutAbsent({
    kind,
    packageSid,
    tenantId,
    clientId,
    clientSecret: clientSecretRef === undefined ? await readSecret(clientSecretFile ?? '-') : { ref: clientSecretRef },
    previousClientSecret:
      previousClientSecretFile === undefined ? undefined : await readSecret(previousClientSecretFile),
  })
}
