import { expect, test } from 'vitest'
import { HostBreakers } from '../../src/send/host-breakers.ts'

const HOST = 'https://db5p.notify.windows.com'

/** A host that has just begun to rest, and the time by hand. */
function resting() {
  const clock = { nowMs: 1000 }
  const hosts = new HostBreakers(() => clock.nowMs)
  for (let answer = 0; answer < 50; answer += 1) hosts.record(HOST, true)
  return { clock, hosts }
}

test('a host that mostly fails rests for five seconds, others do not', () => {
  const { clock, hosts } = resting()
  expect(hosts.admit(HOST)).toBe(5000)
  clock.nowMs += 3000
  expect(hosts.admit(HOST)).toBe(2000)
  expect(hosts.admit('https://am3p.notify.windows.com')).toBe(0)
})

test('a host that mostly answers is not paused', () => {
  const hosts = new HostBreakers(() => 1000)
  for (let answer = 0; answer < 500; answer += 1) hosts.record(HOST, answer % 5 < 2)
  expect(hosts.admit(HOST)).toBe(0)
})

test('after the rest one post finds out; taken, it ends the rest', () => {
  const { clock, hosts } = resting()
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
  expect(hosts.admit(HOST)).toBe(5000)
  hosts.record(HOST, false)
  expect(hosts.admit(HOST)).toBe(0)
})

test('a probe that fails starts the rest again', () => {
  const { clock, hosts } = resting()
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
  clock.nowMs += 1000
  hosts.record(HOST, true)
  expect(hosts.admit(HOST)).toBe(5000)
})

test('a probe that was never posted does not keep the host resting permanently', () => {
  const { clock, hosts } = resting()
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
})

test('a late answer to a post from before does not end the rest', () => {
  const { clock, hosts } = resting()
  hosts.record(HOST, false)
  clock.nowMs += 1
  expect(hosts.admit(HOST)).toBe(4999)
})

test('a probe that found no lane leaves its turn to the next', () => {
  const { clock, hosts } = resting()
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
  hosts.notPosted(HOST)
  expect(hosts.admit(HOST)).toBe(0)
  expect(hosts.admit(HOST)).toBe(5000)
})

test('batches that wait for a host come back after its rest, at most ten in a second', () => {
  const { hosts } = resting()
  const turns = Array.from({ length: 400 }, () => hosts.turnMs(HOST))
  expect(turns.slice(0, 3)).toEqual([5000, 5100, 5200])
  expect(turns.at(-1)).toBe(5000 + 399 * 100)
})

test('no batch waits for more than a minute, and a host that works again has no turns', () => {
  const { clock, hosts } = resting()
  const turns = Array.from({ length: 2000 }, () => hosts.turnMs(HOST))
  expect(Math.max(...turns)).toBe(60_000)
  clock.nowMs += 5000
  expect(hosts.admit(HOST)).toBe(0)
  hosts.record(HOST, false)
  for (let answer = 0; answer < 50; answer += 1) hosts.record(HOST, true)
  expect(hosts.turnMs(HOST)).toBe(5000)
})
