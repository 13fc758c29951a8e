import { expect, test } from 'vitest'
import { REDIS_URL_FORMS, describeAddress, parseRedisUrl } from '../src/index.ts'

test.each([
  ['redis://localhost', { kind: 'single', tls: false, hosts: [{ host: 'localhost', port: 6379 }], db: 0 }],
  ['redis://10.0.0.1:7000/3', { kind: 'single', tls: false, hosts: [{ host: '10.0.0.1', port: 7000 }], db: 3 }],
  ['rediss://[::1]:7000/', { kind: 'single', tls: true, hosts: [{ host: '::1', port: 7000 }], db: 0 }],
  [
    'redis://fan:p%40ss%2Fw%3Ard@h',
    { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], db: 0, username: 'fan', password: 'p@ss/w:rd' },
  ],
  ['redis://:pw@h', { kind: 'single', tls: false, hosts: [{ host: 'h', port: 6379 }], db: 0, password: 'pw' }],
  [
    'redis+sentinel://a:1,b/main/2',
    {
      kind: 'sentinel',
      tls: false,
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 26_379 },
      ],
      db: 2,
      masterName: 'main',
    },
  ],
  [
    'redis+sentinel://a/main?sentinelUsername=fan&sentinelPassword=p%26w',
    {
      kind: 'sentinel',
      tls: false,
      hosts: [{ host: 'a', port: 26_379 }],
      db: 0,
      masterName: 'main',
      sentinel: { username: 'fan', password: 'p&w' },
    },
  ],
  [
    'rediss+cluster://u:p@a:1,b:2',
    {
      kind: 'cluster',
      tls: true,
      hosts: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
      db: 0,
      username: 'u',
      password: 'p',
    },
  ],
])('%s has these parts', (url, expected) => {
  expect(parseRedisUrl(url)).toEqual(expected)
})

test.each([
  'redis://127.0.0.1:6379',
  'redis://localhost',
  'redis://:pass@h:6379/2',
  'redis://user:p%40ss@h:6379/0',
  'rediss://user:pass@redis.example.com:6380',
  'redis://[::1]:6379',
  'redis://user:p@ss:w%20rd@h:6379',
  'redis+sentinel://h1:26379,h2:26379/mymaster',
  'redis+sentinel://user:pass@h1:26379,h2:26379,h3:26379/mymaster/3',
  'rediss+sentinel://h1/mymaster',
  'redis+cluster://h1:7000,h2:7001',
  'redis+cluster://u:p@h1:7000',
  'rediss+cluster://h1:7000,h2:7001/',
])('%s is a REDIS_URL', (url) => {
  expect(parseRedisUrl(url)).toMatchObject({ db: expect.any(Number) })
})

test.each([
  'localhost:6379',
  'http://h',
  'redis://',
  'redis://h:0',
  'redis://h:65536',
  'redis://h1:1,h2:2',
  'redis://h/news',
  'redis://h/1/2',
  'redis+sentinel://h1:1,h2:2',
  'redis+sentinel://h1:1/',
  'redis+sentinel://h1:1/m/x',
  'redis+cluster://h1:1,/',
  'redis+cluster://h1:1/1',
  'redis+cluster://h1:1//',
  'redis+tls://h:1',
  'redis://h h',
  'redis://:p%zz@h:1',
  'redis://h:1?family=6',
  'redis+sentinel://h/m?family=6',
  'redis+sentinel://h/m?sentinelPassword=',
  'http://localhost',
  'redis://a,b',
  'redis://h:70000',
  'redis://h/x',
  'redis+sentinel://h',
  'redis+cluster://h/1',
  'redis://u:%zz@h',
  'redis://h/0x1',
])('%s is rejected with the accepted forms', (url) => {
  expect(() => parseRedisUrl(url)).toThrow('REDIS_URL cannot be used: ')
  expect(() => parseRedisUrl(url)).toThrow(REDIS_URL_FORMS)
})

test('neither an error nor a description contains the password', () => {
  expect(() => parseRedisUrl('redis://u:hunter2@h:99999')).toThrow(/^(?!.*hunter2)/)
  expect(describeAddress(parseRedisUrl('redis://u:hunter2@[::1]:1'))).toBe('[::1]:1')
})
