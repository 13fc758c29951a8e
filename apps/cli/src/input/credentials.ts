import { UsageError } from '../failure.ts'
import { withoutAbsent } from './campaign-request.ts'
import { readJson, readSecret } from './read.ts'

/** How an app signs in, as options of a command; secrets come from files, stdin or as references. */
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

/** The credentials as the API takes them; what is missing in them is for the API to say. Throws `UsageError`. */
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
      throw new UsageError('give either --credentials-file or --kind with its own options')
    return await readJson(credentialsFile)
  }
  if (kind === undefined)
    throw new UsageError('say what the app signs in with: --credentials-file FILE, or --kind store|entra')
  if ((clientSecretFile === undefined) === (clientSecretRef === undefined))
    throw new UsageError(
      'give the client secret with exactly one of --client-secret-file FILE (or "-") and --client-secret-ref env:NAME|file:PATH',
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
