export interface RedisHost {
  readonly host: string
  readonly port: number
}

/** The parts of a `REDIS_URL`. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  readonly hosts: readonly RedisHost[]
  readonly username?: string
  readonly password?: string
  readonly db: number
  /** Name of the group of masters that Sentinel watches; only with `sentinel`. */
  readonly masterName?: string
  /** The user of the Sentinels themselves; only with `sentinel`. */
  readonly sentinel?: { readonly username?: string; readonly password?: string }
}

/** The accepted forms of `REDIS_URL`, for people. */
export const REDIS_URL_FORMS =
  'redis://[user:password@]host:port[/db], redis+sentinel://[user:password@]h1:p1,h2:p2/<master>[/db]' +
  '[?sentinelUsername=…&sentinelPassword=…] or redis+cluster://[user:password@]h1:p1,h2:p2, each with rediss for TLS'

const DEFAULT_PORTS = { single: 6379, sentinel: 26_379, cluster: 6379 } as const

/**
 * Parse `REDIS_URL`. The password may hold any character that is percent-encoded. Throws a TypeError that shows no part
 * of the URL.
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [, scheme = '', form, userInfo, hostList = '', path = '', query] =
    /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/\s]*)@)?([^@/?#\s]+)(?:\/([^?#\s]*))?(?:\?([^#\s]*))?$/.exec(url) ??
    []
  if (scheme === '') throw refusal('it has none of the accepted forms')
  const kind = form === 'sentinel' || form === 'cluster' ? form : 'single'
  const steps = path.split('/')
  const masterName = kind === 'sentinel' ? decode(steps.shift() ?? '') : undefined
  if (masterName === '') throw refusal('the name of the Sentinel group is missing after the hosts')
  const [database = ''] = steps
  if (steps.length > 1 || !/^\d{0,5}$/.test(database)) throw refusal('the database must be a number')
  const db = Number(database)
  if (kind === 'cluster' && db !== 0) throw refusal('a cluster has database 0 only')
  const hosts = hostList.split(',').map((text) => parseHost(text, DEFAULT_PORTS[kind]))
  if (kind === 'single' && hosts.length > 1) throw refusal('several hosts need redis+sentinel or redis+cluster')
  return {
    kind,
    tls: scheme === 'rediss',
    hosts,
    db,
    ...parseUserInfo(userInfo),
    ...(masterName === undefined ? {} : { masterName }),
    ...(query === undefined ? {} : { sentinel: parseSentinelUser(kind, query) }),
  }
}

function parseSentinelUser(kind: RedisAddress['kind'], query: string): NonNullable<RedisAddress['sentinel']> {
  if (kind !== 'sentinel') throw refusal('only redis+sentinel takes parameters after "?"')
  const found: { username?: string; password?: string } = {}
  for (const parameter of query.split('&')) {
    const equals = parameter.indexOf('=')
    const name = equals === -1 ? parameter : parameter.slice(0, equals)
    const value = equals === -1 ? '' : decode(parameter.slice(equals + 1))
    if (value === '') throw refusal('a parameter after "?" has no value')
    if (name === 'sentinelUsername') found.username = value
    else if (name === 'sentinelPassword') found.password = value
    else throw refusal('the parameters after "?" are sentinelUsername and sentinelPassword')
  }
  return found
}

/** For people: the hosts, never the password. */
export function describeAddress(address: RedisAddress): string {
  return address.hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(', ')
}

function parseHost(text: string, defaultPort: number): RedisHost {
  const [, bracketed, plain, portText] =
    /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = portText === undefined ? defaultPort : Number(portText)
  if (host === undefined || port < 1 || port > 65_535) throw refusal('a host must have the form name:port')
  return { host, port }
}

function parseUserInfo(text: string | undefined): { username?: string; password?: string } {
  if (text === undefined || text === '') return {}
  const colon = text.indexOf(':')
  const username = decode(colon === -1 ? text : text.slice(0, colon))
  const password = colon === -1 ? '' : decode(text.slice(colon + 1))
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw refusal('each "%" must begin a percent-encoded character; write a literal one as %25')
  }
}

function refusal(why: string): TypeError {
  return new TypeError(`REDIS_URL cannot be used: ${why}. The accepted forms are ${REDIS_URL_FORMS}.`)
}
