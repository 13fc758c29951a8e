import { expect, test } from 'vitest'
import { bypassesProxy } from '../src/index.ts'

test.each([
  ['notify.windows.com', 'db5p.notify.windows.com'],
  ['.notify.windows.com', 'db5p.notify.windows.com'],
  ['*.notify.windows.com', 'db5p.notify.windows.com'],
  ['db5p.notify.windows.com:443', 'db5p.notify.windows.com'],
  ['example.com, .Windows.COM', 'DB5P.notify.windows.com'],
  ['10.0.0.0/8 windows.com', 'login.windows.com'],
  ['*', 'login.live.com'],
  ['::1', '[::1]'],
  ['[::1]:443', '::1'],
])('NO_PROXY=%s excludes %s', (noProxy, host) => {
  expect(bypassesProxy(noProxy, host, 443)).toBe(true)
})

test.each([
  [undefined, 'login.live.com'],
  ['', 'login.live.com'],
  [' , ', 'login.live.com'],
  ['live.co', 'login.live.com'],
  ['ive.com', 'login.live.com'],
  ['login.live.com:8443', 'login.live.com'],
  ['.', 'login.live.com'],
  ['*.', 'login.live.com'],
  ['localhost,127.0.0.1', 'login.live.com'],
])('NO_PROXY=%s does not exclude %s', (noProxy, host) => {
  expect(bypassesProxy(noProxy, host, 443)).toBe(false)
})
