import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import type { RedisAddress } from '@wns-fanout/domain'
import { parseRedisUrl } from '@wns-fanout/domain'

/** What a connection to Redis needs besides its URL. */
export interface RedisAccess {
  /** For `rediss://`: certificate authorities and a client certificate, as in `tls.connect`. */
  readonly tls?: Pick<SecureContextOptions, 'ca' | 'cert' | 'key'>
  /** The user of the Sentinels themselves, whose rights are separate from those of Redis. */
  readonly sentinel?: { readonly username?: string; readonly password?: string }
}

/** The environment of `readRedisAccess`. */
export interface RedisAccessConfig {
  readonly REDIS_URL: string
  readonly WNS_FANOUT_REDIS_TLS_CA_FILE?: string | undefined
  readonly WNS_FANOUT_REDIS_TLS_CERT_FILE?: string | undefined
  readonly WNS_FANOUT_REDIS_TLS_KEY_FILE?: string | undefined
  readonly WNS_FANOUT_SENTINEL_USERNAME?: string | undefined
  readonly WNS_FANOUT_SENTINEL_PASSWORD_FILE?: string | undefined
}

/** The names of these variables, to pick them from a larger configuration. */
export const redisAccessVariables = {
  REDIS_URL: true,
  WNS_FANOUT_REDIS_TLS_CA_FILE: true,
  WNS_FANOUT_REDIS_TLS_CERT_FILE: true,
  WNS_FANOUT_REDIS_TLS_KEY_FILE: true,
  WNS_FANOUT_SENTINEL_USERNAME: true,
  WNS_FANOUT_SENTINEL_PASSWORD_FILE: true,
} as const satisfies Readonly<Record<keyof RedisAccessConfig, true>>

type FileVariable = Extract<keyof RedisAccessConfig, `${string}_FILE`>

/** Reads the files of the environment, and checks them. Throws one error with every problem, without any content. */
export async function readRedisAccess(config: RedisAccessConfig): Promise<RedisAccess> {
  const address = parseRedisUrl(config.REDIS_URL)
  const problems = misplaced(config, address)
  const read = (name: FileVariable) => readVariable(config, name, problems)
  const [ca, cert, key, password] = await Promise.all([
    read('WNS_FANOUT_REDIS_TLS_CA_FILE'),
    read('WNS_FANOUT_REDIS_TLS_CERT_FILE'),
    read('WNS_FANOUT_REDIS_TLS_KEY_FILE'),
    read('WNS_FANOUT_SENTINEL_PASSWORD_FILE'),
  ])
  checkCertificates({ ca, cert, key }, problems)
  if (problems.length > 0) throw new Error(problems.join('; '))
  const username = config.WNS_FANOUT_SENTINEL_USERNAME
  return {
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    },
    sentinel: {
      ...address.sentinel,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password: password.replace(/\r?\n$/, '') }),
    },
  }
}

/** Variables that have no effect with this URL, and those that need each other. */
function misplaced(config: RedisAccessConfig, { tls, kind }: RedisAddress): string[] {
  const given = (Object.keys(config) as (keyof RedisAccessConfig)[]).filter((name) => config[name] !== undefined)
  const problems: string[] = []
  const ofTls = given.filter((name) => name.includes('_TLS_'))
  if (ofTls.length > 0 && !tls) problems.push(`${ofTls.join(', ')}: wanted a REDIS_URL with rediss; found redis`)
  const ofSentinel = given.filter((name) => name.includes('_SENTINEL_'))
  if (ofSentinel.length > 0 && kind !== 'sentinel')
    problems.push(`${ofSentinel.join(', ')}: wanted a REDIS_URL with redis+sentinel; found another form`)
  const [cert, key] = [config.WNS_FANOUT_REDIS_TLS_CERT_FILE, config.WNS_FANOUT_REDIS_TLS_KEY_FILE]
  if ((cert === undefined) !== (key === undefined))
    problems.push('WNS_FANOUT_REDIS_TLS_CERT_FILE and WNS_FANOUT_REDIS_TLS_KEY_FILE: wanted both; found one')
  return problems
}

async function readVariable(
  config: RedisAccessConfig,
  name: FileVariable,
  problems: string[],
): Promise<string | undefined> {
  const path = config[name]
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    problems.push(`${name}: wanted the path of a file that can be read; found ${path} (${code})`)
    return undefined
  }
}

type Pem = Readonly<Record<'ca' | 'cert' | 'key', string | undefined>>

function checkCertificates({ ca, cert, key }: Pem, problems: string[]): void {
  if (ca !== undefined && certificateOf(ca) === undefined)
    problems.push('WNS_FANOUT_REDIS_TLS_CA_FILE: wanted certificates in PEM form; found something else')
  const certificate = cert === undefined ? undefined : certificateOf(cert)
  if (cert !== undefined && certificate === undefined)
    problems.push('WNS_FANOUT_REDIS_TLS_CERT_FILE: wanted a certificate in PEM form; found something else')
  if (key === undefined) return
  const privateKey = keyOf(key)
  if (privateKey === undefined)
    problems.push('WNS_FANOUT_REDIS_TLS_KEY_FILE: wanted a private key in PEM form without a passphrase')
  else if (certificate !== undefined && !certificate.checkPrivateKey(privateKey))
    problems.push('WNS_FANOUT_REDIS_TLS_KEY_FILE: wanted the key of WNS_FANOUT_REDIS_TLS_CERT_FILE; found another one')
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}

function keyOf(pem: string): ReturnType<typeof createPrivateKey> | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
