import { expect, test } from 'vitest'
import * as z from 'zod'
import { ConfigError, baseConfig, crashAtVariable, readConfig, variable, variables } from '../src/index.ts'
import { redactText } from '../src/redaction.ts'

const schema = z.object({ ...baseConfig })
const minimal = { WNS_FANOUT_KEYRING_FILE: '/etc/keyring' }

function problemsOf(env: NodeJS.ProcessEnv, of: z.ZodObject = schema): readonly string[] {
  try {
    readConfig(of, env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable: name, problem }) => `${name}: ${problem}`)
    throw error
  }
  return []
}

test('only the keyring is required; the rest has defaults', () => {
  expect(readConfig(schema, minimal)).toEqual({
    REDIS_URL: 'redis://127.0.0.1:6379',
    WNS_FANOUT_PREFIX: 'wf:',
    WNS_FANOUT_WEBHOOK_PRIVATE_HOSTS: [],
    WNS_FANOUT_KEYRING_FILE: '/etc/keyring',
    WNS_FANOUT_LANES: 256,
    WNS_FANOUT_LOCK_MS: 60_000,
    WNS_FANOUT_ALLOW_VOLATILE_REDIS: false,
    WNS_FANOUT_SCRAPE_CACHE_MS: 5000,
    WNS_FANOUT_AUDIT_STDOUT: true,
    WNS_FANOUT_AUDIT_MAX_ENTRIES: 100_000,
    WNS_FANOUT_AUDIT_DAYS: 400,
    WNS_FANOUT_DURABILITY: 0,
    WNS_FANOUT_HOST: '127.0.0.1',
    PORT: 8080,
    OPS_PORT: 8081,
    LOG_LEVEL: 'info',
  })
})

test('an empty variable counts as unset, and blanks around a value do not matter', () => {
  const config = readConfig(schema, { ...minimal, PORT: '', LOG_LEVEL: '  ', WNS_CA_FILE: '', OPS_PORT: ' 9000 ' })
  expect(config).toMatchObject({ PORT: 8080, LOG_LEVEL: 'info', OPS_PORT: 9000 })
  expect(config.WNS_CA_FILE).toBeUndefined()
})

test('values become typed', () => {
  const config = readConfig(schema, {
    ...minimal,
    WNS_FANOUT_APPS: 'news, weather,news',
    WNS_FANOUT_ALLOW_VOLATILE_REDIS: '1',
    WNS_FANOUT_DURABILITY: 'replicas:2',
    WNS_FANOUT_LANES: '1024',
    WNS_ROUTE_TO: '127.0.0.1:8443',
    WNS_CA_FILE: './ca.pem',
    HTTPS_PROXY: 'http://proxy:3128',
  })
  expect(config).toMatchObject({
    WNS_FANOUT_APPS: ['news', 'weather'],
    WNS_FANOUT_ALLOW_VOLATILE_REDIS: true,
    WNS_FANOUT_DURABILITY: 2,
    WNS_FANOUT_LANES: 1024,
    WNS_ROUTE_TO: '127.0.0.1:8443',
    WNS_CA_FILE: './ca.pem',
    HTTPS_PROXY: 'http://proxy:3128',
  })
})

test.each<[variable: string, value: string]>([
  ['REDIS_URL', 'http://127.0.0.1:6379'],
  ['WNS_FANOUT_PREFIX', 'wf{x}:'],
  ['WNS_FANOUT_LANES', '0'],
  ['WNS_FANOUT_LANES', '16385'],
  ['WNS_FANOUT_LANES', '2.5'],
  ['WNS_FANOUT_LANES', '1e3'],
  ['WNS_FANOUT_LOCK_MS', '60s'],
  ['WNS_FANOUT_LOCK_MS', '499'],
  ['WNS_FANOUT_APPS', 'News'],
  ['WNS_FANOUT_APPS', 'news,,weather'],
  ['WNS_FANOUT_APPS', 'news,and'],
  ['WNS_FANOUT_APPS', 'a'.repeat(41)],
  ['WNS_FANOUT_ALLOW_VOLATILE_REDIS', 'true'],
  ['WNS_FANOUT_DURABILITY', 'replicas'],
  ['WNS_FANOUT_DURABILITY', 'replicas:0'],
  ['WNS_FANOUT_DURABILITY', 'replicas:6'],
  ['WNS_FANOUT_DURABILITY', 'fsync'],
  ['WNS_FANOUT_HOST', 'http://0.0.0.0'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['OPS_PORT', 'http'],
  ['LOG_LEVEL', 'verbose'],
  ['HTTPS_PROXY', 'proxy:3128'],
])('%s=%s is rejected with what was wanted and what to do', (name, value) => {
  const [problem, ...others] = problemsOf({ ...minimal, [name]: value })
  expect(others).toEqual([])
  expect(problem).toMatch(new RegExp(`^${name}: wanted .+; found .+; set for example ${name}=.+$`))
})

function pair(route: string): NodeJS.ProcessEnv {
  return { ...minimal, WNS_ROUTE_TO: route, WNS_CA_FILE: 'ca.pem' }
}

test('WNS_ROUTE_TO is a host and a port', () => {
  for (const good of ['127.0.0.1:1', 'simulator:8443', '[::1]:65535']) expect(problemsOf(pair(good))).toEqual([])
  for (const bad of ['simulator', ':8443', 'h:0', 'h:65536', 'https://h:1'])
    expect(problemsOf(pair(bad))).toHaveLength(1)
})

test('all problems are reported at once, one per line', () => {
  const env = {
    REDIS_URL: 'http://user:canary@host',
    PORT: 'eighty',
    LOG_LEVEL: 'loud',
    WNS_ROUTE_TO: '127.0.0.1:8443',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  }
  expect(() => readConfig(schema, env)).toThrow(ConfigError)
  expect(problemsOf(env).map((line) => line.split(':', 1)[0])).toEqual([
    'REDIS_URL',
    'WNS_FANOUT_KEYRING_FILE',
    'PORT',
    'LOG_LEVEL',
    'WNS_CA_FILE',
    'NODE_TLS_REJECT_UNAUTHORIZED',
  ])
  const message = String(new ConfigError([{ variable: 'PORT', problem: 'bad' }]))
  expect(message).toBe('ConfigError: The environment has 1 problem:\n  PORT: bad')
})

test('a problem shows what was found', () => {
  expect(problemsOf({ ...minimal, PORT: 'eighty' })).toEqual([
    'PORT: wanted an integer from 0 to 65535 (0: any free port); found "eighty"; set for example PORT=8080',
  ])
  expect(problemsOf({})).toEqual([
    'WNS_FANOUT_KEYRING_FILE: wanted the path of a keyring file (lines "kid base64-of-32-bytes", newest first); ' +
      'found nothing; set for example WNS_FANOUT_KEYRING_FILE=/etc/wns-fanout/keyring',
  ])
  expect(problemsOf({ ...minimal, LOG_LEVEL: `\u001B[31m${'x'.repeat(500)}\n` })[0]).toMatch(
    /found "\\u001b\[31mx{75}…"/,
  )
})

test('a value that may contain a credential is never shown', () => {
  const own = z.object({
    ...baseConfig,
    ADMIN_PASSWORD: z.string().min(20),
    SMTP_URL: z.url(),
    SIGNING_KEY: variable(z.string().min(20), { wanted: 'a key', example: 'x', meaning: 'A key.', usedBy: [] }),
  })
  const values = {
    REDIS_URL: 'nonsense://:canary@h',
    HTTPS_PROXY: 'ftp://user:canary@h',
    ADMIN_PASSWORD: 'canary',
    SMTP_URL: 'canary',
    SIGNING_KEY: 'canary',
  }
  const problems = problemsOf({ ...minimal, ...values }, own)
  expect(problems).toHaveLength(5)
  expect(problems.join('\n')).not.toContain('canary')
  expect(problems[0]).toContain('found a value of 20 characters (not shown)')
})

test.each([
  ['WNS_ROUTE_TO', '127.0.0.1:8443', 'WNS_CA_FILE'],
  ['WNS_CA_FILE', 'ca.pem', 'WNS_ROUTE_TO'],
])('%s alone is rejected', (name, value, missing) => {
  expect(problemsOf({ ...minimal, [name]: value })).toEqual([
    `${missing}: wanted together with ${name}; found only ${name}; set both (for a simulator) or none`,
  ])
})

test('a process does not start with certificate checks disabled', () => {
  expect(problemsOf({ ...minimal, NODE_TLS_REJECT_UNAUTHORIZED: '0' })[0]).toContain('turns certificate checks off')
  expect(problemsOf({ ...minimal, NODE_TLS_REJECT_UNAUTHORIZED: '1' })).toEqual([])
  expect(problemsOf({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, z.object({}))).toHaveLength(1)
})

test('every shared variable is documented', () => {
  expect(variables.map(({ name }) => name)).toEqual(Object.keys(baseConfig))
  for (const { meaning, usedBy } of variables) {
    expect(meaning).toMatch(/\.$/)
    expect(usedBy.length).toBeGreaterThan(0)
  }
})

test('documented defaults and examples are valid', () => {
  const defaults = Object.fromEntries(variables.map((v) => [v.name, v.default]))
  expect(readConfig(schema, { ...defaults, ...minimal })).toEqual(readConfig(schema, minimal))
})

test.each([
  ['HTTPS_PROXY', 'https_proxy', 'http://proxy.example:3128', 'http://other.example:3128'],
  ['NO_PROXY', 'no_proxy', 'login.live.com', 'windows.com'],
])('%s is also read as %s, and two different values are refused', (name, alias, value, other) => {
  const proxies = z.object({ HTTPS_PROXY: baseConfig.HTTPS_PROXY, NO_PROXY: baseConfig.NO_PROXY })
  for (const env of [
    { [name]: value },
    { [alias]: value },
    { [name]: value, [alias]: value },
    { [name]: ' ', [alias]: value },
  ])
    expect(readConfig(proxies, env)).toEqual({ [name]: value })
  expect(() => readConfig(proxies, { [name]: value, [alias]: other })).toThrow(
    `${name}: wanted the same value as ${alias}; found another one; set only one of them`,
  )
})

test('no hint about a variable is changed by the redaction of logs', () => {
  const env = { REDIS_URL: 'nonsense', HTTPS_PROXY: 'proxy:3128', PORT: 'x', WNS_FANOUT_KEYRING_FILE: '' }
  const message = problemsOf(env).join('\n')
  expect(message).toContain('HTTPS_PROXY: wanted a URL with http:// or https://, and user:password@ before the host')
  expect(redactText(message)).toBe(message)
})

test('a crash point is rejected in production', () => {
  const withCrash = z.object({ ...baseConfig, WNS_CRASH_AT: crashAtVariable(['a-point']) })
  const env = { ...minimal, WNS_CRASH_AT: 'a-point:1' }
  expect(readConfig(withCrash, env).WNS_CRASH_AT).toBe('a-point:1')
  expect(() => readConfig(withCrash, { ...env, NODE_ENV: 'production' })).toThrow(/WNS_CRASH_AT: wanted unset/)
  expect(readConfig(withCrash, { ...minimal, NODE_ENV: 'production' }).WNS_CRASH_AT).toBeUndefined()
})
