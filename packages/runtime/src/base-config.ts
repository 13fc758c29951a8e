import { REDIS_URL_FORMS, parseRedisUrl } from '@wns-fanout/domain'
import * as z from 'zod'
import { notesOf, variable } from './config.ts'

const both = ['api', 'worker']

function isRedisUrl(text: string): boolean {
  try {
    parseRedisUrl(text)
    return true
  } catch {
    return false
  }
}

/** A variable that holds an integer in a range. */
export function integer(min: number, max: number, fallback: number) {
  return z
    .string()
    .default(String(fallback))
    .refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max, { abort: true })
    .transform(Number)
}

function portNumber(usedBy: readonly string[], fallback: number, meaning: string) {
  return variable(integer(0, 65_535, fallback), {
    wanted: 'an integer from 0 to 65535 (0: any free port)',
    example: String(fallback),
    meaning,
    default: String(fallback),
    usedBy,
  })
}

const appName = /^[a-z0-9-]{1,40}$/
const reservedNames = new Set(['and', 'or', 'not'])

const appNames = z
  .string()
  .transform((text) => text.split(',').map((name) => name.trim()))
  .refine((names) => names.every((name) => appName.test(name) && !reservedNames.has(name)), { abort: true })
  .transform((names): readonly string[] => [...new Set(names)])

const hostNames = z
  .string()
  .default('')
  .transform((text): readonly string[] => text.split(',').flatMap((part) => part.trim().toLowerCase() || []))
  .refine((names) => names.every((name) => /^(?=.*[a-z])[a-z0-9.-]{1,253}$/.test(name)))

function isProxyUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

function isHostAndPort(text: string): boolean {
  const port = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\]):(\d{1,5})$/i.exec(text)?.[1]
  return port !== undefined && Number(port) >= 1 && Number(port) <= 65_535
}

/**
 * The variables that the API and the workers share, as a zod shape with the environment's names as keys:
 * `readConfig(z.object({ ...baseConfig, …own }), process.env)`.
 */
export const baseConfig = {
  REDIS_URL: variable(z.string().default('redis://127.0.0.1:6379').refine(isRedisUrl), {
    wanted: REDIS_URL_FORMS,
    example: 'redis://127.0.0.1:6379',
    meaning: 'Address of Redis: one server, a Sentinel group or a cluster.',
    default: 'redis://127.0.0.1:6379',
    usedBy: both,
    secret: true,
  }),
  WNS_FANOUT_REDIS_TLS_CA_FILE: variable(z.string().optional(), {
    wanted: 'the path of a PEM file',
    example: '/etc/wns-fanout/redis-ca.pem',
    meaning: 'Certificate authorities for rediss://, in place of the public ones.',
    usedBy: both,
  }),
  WNS_FANOUT_REDIS_TLS_CERT_FILE: variable(z.string().optional(), {
    wanted: 'the path of a PEM file',
    example: '/etc/wns-fanout/redis-client.pem',
    meaning: 'Client certificate for rediss://. Needs WNS_FANOUT_REDIS_TLS_KEY_FILE.',
    usedBy: both,
  }),
  WNS_FANOUT_REDIS_TLS_KEY_FILE: variable(z.string().optional(), {
    wanted: 'the path of a PEM file without a passphrase',
    example: '/etc/wns-fanout/redis-client.key',
    meaning: 'Private key of the client certificate for rediss://.',
    usedBy: both,
  }),
  WNS_FANOUT_SENTINEL_USERNAME: variable(z.string().min(1).optional(), {
    wanted: 'the name of a user of the Sentinels',
    example: 'wns-fanout',
    meaning: 'User of the Sentinels, whose users are not those of Redis. Unset: the default user.',
    usedBy: both,
  }),
  WNS_FANOUT_SENTINEL_PASSWORD_FILE: variable(z.string().optional(), {
    wanted: 'the path of a file with the password',
    example: '/etc/wns-fanout/sentinel-password',
    meaning: 'File with the password of the Sentinels.',
    usedBy: both,
  }),
  // Braces would move the hash tag that keeps the keys of an app in one cluster slot.
  WNS_FANOUT_PREFIX: variable(
    z
      .string()
      .default('wf:')
      .refine((text) => /^[A-Za-z0-9._:-]{1,32}$/.test(text)),
    {
      wanted: '1 to 32 letters, digits or . _ : -',
      example: 'wf:',
      meaning: 'Prefix of every Redis key. Installations that share a Redis need different ones.',
      default: 'wf:',
      usedBy: both,
    },
  ),
  WNS_FANOUT_KEYRING_FILE: variable(z.string(), {
    wanted: 'the path of a keyring file (lines "kid base64-of-32-bytes", newest first)',
    example: '/etc/wns-fanout/keyring',
    meaning: 'File with the keys that encrypt credentials and tokens in Redis. Required.',
    usedBy: both,
    secret: false,
  }),
  WNS_FANOUT_SECRETS_DIR: variable(z.string().optional(), {
    wanted: 'the path of a folder with one folder for each app',
    example: '/etc/wns-fanout/client-secrets',
    meaning: 'Folder with the secrets that apps may refer to, one folder for each app. Unset: no secrets by reference.',
    usedBy: both,
    secret: false,
  }),
  WNS_FANOUT_LANES: variable(integer(1, 16_384, 256), {
    wanted: 'an integer from 1 to 16384',
    example: '256',
    meaning: 'Maximum number of connections to WNS per worker, shared by all of its apps.',
    default: '256',
    usedBy: ['worker'],
  }),
  WNS_FANOUT_LOCK_MS: variable(integer(500, 3_600_000, 60_000), {
    wanted: 'an integer from 500 to 3600000 (milliseconds)',
    example: '60000',
    meaning: 'How long a worker may fail to renew its lock on a batch, in milliseconds; then another takes over.',
    default: '60000',
    usedBy: ['worker'],
  }),
  WNS_FANOUT_APPS: variable(appNames.optional(), {
    wanted: 'app names of a-z, 0-9 and "-" (1 to 40 characters), separated by commas',
    example: 'news,weather',
    meaning: 'The only apps that this worker serves. Unset means all apps.',
    usedBy: ['worker'],
  }),
  WNS_FANOUT_ALLOW_VOLATILE_REDIS: variable(
    z
      .enum(['0', '1'])
      .default('0')
      .transform((text) => text === '1'),
    {
      wanted: '0 or 1',
      example: '1',
      meaning: 'With 1 a Redis that forgets on restart or evicts keys is accepted, with a warning.',
      default: '0',
      usedBy: both,
    },
  ),
  WNS_FANOUT_DURABILITY: variable(
    z
      .string()
      .default('async')
      .refine((text) => /^(?:async|replicas:[1-5])$/.test(text), { abort: true })
      .transform((text) => (text === 'async' ? 0 : Number(text.slice('replicas:'.length)))),
    {
      wanted: 'async or replicas:<n>, n from 1 to 5',
      example: 'replicas:1',
      meaning:
        'Number of Redis replicas that must acknowledge a credit before its posts, ' +
        'and a write of the API before its answer.',
      default: 'async',
      usedBy: both,
    },
  ),
  WNS_FANOUT_HOST: variable(
    z
      .string()
      .default('127.0.0.1')
      .refine((text) => /^[A-Za-z0-9.:_-]{1,253}$/.test(text)),
    {
      wanted: 'an IP address or host name to listen on',
      example: '0.0.0.0',
      meaning: 'The address that PORT and OPS_PORT listen on. Containers set 0.0.0.0.',
      default: '127.0.0.1',
      usedBy: both,
    },
  ),
  WNS_FANOUT_OPS_HOST: variable(
    z
      .string()
      .refine((text) => /^[A-Za-z0-9.:_-]{1,253}$/.test(text))
      .optional(),
    {
      wanted: 'an IP address or host name to listen on',
      example: '127.0.0.1',
      meaning: 'The address that OPS_PORT listens on. Unset: the one of WNS_FANOUT_HOST.',
      usedBy: both,
    },
  ),
  WNS_FANOUT_OPS_TOKEN_FILE: variable(z.string().optional(), {
    wanted: 'the path of a file with the token',
    example: '/etc/wns-fanout/ops-token',
    meaning: 'File with a token that requests for /metrics must send as Authorization: Bearer. Unset: none.',
    usedBy: both,
    secret: false,
  }),
  WNS_FANOUT_SCRAPE_CACHE_MS: variable(integer(0, 60_000, 5000), {
    wanted: 'an integer from 0 to 60000 (milliseconds)',
    example: '5000',
    meaning: 'How long one answer of /metrics is the answer to other requests, in milliseconds.',
    default: '5000',
    usedBy: both,
  }),
  PORT: portNumber(['api'], 8080, 'Port of the HTTP API.'),
  OPS_PORT: portNumber(both, 8081, 'Port of /metrics, /healthz and /readyz; of the API also /servesz.'),
  LOG_LEVEL: variable(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'), {
    wanted: 'fatal, error, warn, info, debug, trace or silent',
    example: 'info',
    meaning: 'Lowest level of log events that are written.',
    default: 'info',
    usedBy: both,
  }),
  WNS_FANOUT_AUDIT_STDOUT: variable(
    z
      .enum(['0', '1'])
      .default('1')
      .transform((text) => text === '1'),
    {
      wanted: '0 or 1',
      example: '0',
      meaning: 'With 1 each entry of the audit log is also a line of JSON on stdout, whatever LOG_LEVEL is.',
      default: '1',
      usedBy: both,
    },
  ),
  WNS_FANOUT_AUDIT_MAX_ENTRIES: variable(integer(1000, 10_000_000, 100_000), {
    wanted: 'an integer from 1000 to 10000000',
    example: '100000',
    meaning: 'About how many entries each trail of the audit log keeps in Redis (500 bytes each).',
    default: '100000',
    usedBy: both,
  }),
  WNS_FANOUT_AUDIT_DAYS: variable(integer(1, 3650, 400), {
    wanted: 'an integer from 1 to 3650 (days)',
    example: '400',
    meaning: 'How long an entry of the audit log is kept in Redis at most, in days.',
    default: '400',
    usedBy: both,
  }),
  WNS_FANOUT_WEBHOOK_PRIVATE_HOSTS: variable(hostNames, {
    wanted: 'host names, separated by commas',
    example: 'hooks.internal.example',
    meaning: 'Hosts of webhooks whose addresses may be private. All others must be on the public internet.',
    usedBy: both,
  }),
  WNS_FANOUT_WEBHOOK_CA_FILE: variable(z.string().optional(), {
    wanted: 'the path of a PEM file',
    example: '/etc/wns-fanout/webhook-ca.pem',
    meaning: 'Certificate authorities for webhooks, beside the public ones.',
    usedBy: both,
  }),
  WNS_ROUTE_TO: variable(z.string().refine(isHostAndPort).optional(), {
    wanted: 'host:port',
    example: '127.0.0.1:8443',
    meaning: 'Redirects all connections to WNS and its token service (to the simulator). Needs WNS_CA_FILE.',
    usedBy: both,
  }),
  WNS_CA_FILE: variable(z.string().optional(), {
    wanted: 'the path of a PEM file',
    example: './ca.pem',
    meaning: 'Certificate authority that replaces the public ones for WNS. Needs WNS_ROUTE_TO.',
    usedBy: both,
  }),
  HTTPS_PROXY: variable(z.string().refine(isProxyUrl).optional(), {
    wanted: 'a URL with http:// or https://, and user:password@ before the host if the proxy needs it',
    example: 'http://proxy.example:3128',
    meaning: 'Proxy for connections to WNS and its token service (CONNECT). https_proxy works too.',
    usedBy: both,
    alias: 'https_proxy',
    secret: true,
  }),
  NO_PROXY: variable(z.string().optional(), {
    wanted: 'hosts or domains, separated by commas',
    example: 'login.live.com,.internal.example',
    meaning: 'Hosts that are reached without the proxy, with their subdomains; no_proxy is read too.',
    usedBy: both,
    alias: 'no_proxy',
  }),
}

export interface Variable {
  readonly name: string
  readonly default: string | undefined
  readonly meaning: string
  readonly usedBy: readonly string[]
}

/** The documented variables of a config shape, in its order. */
export function variablesOf(shape: Readonly<Record<string, z.core.$ZodType>>): readonly Variable[] {
  return Object.entries(shape).flatMap(([name, schema]) => {
    const notes = notesOf(schema)
    return notes === undefined ? [] : [{ name, default: notes.default, meaning: notes.meaning, usedBy: notes.usedBy }]
  })
}

/** Every variable of `baseConfig`; docs/configuration.md is checked against it. */
export const variables: readonly Variable[] = variablesOf(baseConfig)
