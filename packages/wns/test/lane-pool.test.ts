import { setImmediate as nextTurn } from 'node:timers/promises'
import { until } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import { createLanePool } from '../src/index.ts'
import { HOST, oneAfterAnother, ORIGIN, setup } from './support/harness.ts'
import type { Behavior } from './support/raw-server.ts'
import { always, answer, never, received } from './support/raw-server.ts'

const SLOW = 'https://slow.notify.windows.com'

/** Answers are held until `release` is called. */
function holding() {
  const held: (() => void)[] = []
  const behave: Behavior = (socket) => void held.push(() => socket.write(received))
  const release = (count = held.length): void => {
    for (const answerNow of held.splice(0, count)) answerNow()
  }
  return { held, behave, release }
}

describe('origins', () => {
  test('a host that stalls does not keep another host from its lanes', async () => {
    await using wns = await setup(
      (socket, request) => {
        if (!request.serverName.startsWith('slow')) socket.write(received)
      },
      { lanes: 8, deadlineMs: 2_000, connectingAtFirst: 8 },
    )
    expect(wns.sender('news', { origin: SLOW }).fill()).toBe(4)
    expect(await oneAfterAnother(wns, 50)).toEqual(Array(50).fill('accepted'))
  })

  test('the lanes of an origin at most double at a time, and a refused sender is called once they are connected', async () => {
    await using wns = await setup(never, { lanes: 32, maxPerOriginShare: 1 })
    const sender = wns.sender()
    for (const lanes of [2, 2, 4, 8]) {
      sender.called = 0
      expect(sender.fill()).toBe(lanes)
      await until('the lanes are connected', () => wns.pool.stats().connecting === 0 && sender.called > 0)
    }
  })

  test('an origin that answers may have all lanes', async () => {
    await using wns = await setup(always(received), { lanes: 8, connectingAtFirst: 8 })
    await Promise.all([1, 2, 3, 4].map(() => wns.post()))
    wns.server.behave = never
    expect(wns.sender().fill()).toBe(8)
    expect([wns.pool.busy, wns.pool.open, wns.pool.limit]).toEqual([8, 8, 8])
  })

  test('a free lane of one origin makes room for another origin', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    await wns.post('/', 'x', ORIGIN)
    await wns.post('/', 'x', SLOW)
    expect(wns.pool.open).toBe(1)
    expect(wns.server.serverNames).toEqual([HOST, 'slow.notify.windows.com'])
  })
})

describe('groups and senders', () => {
  test.each([
    ['two senders of one group', ['news', 'news']],
    ['two groups', ['news', 'mail']],
  ])('%s share the lanes, whichever came first', async (_name, groups) => {
    await using wns = await setup(always(received), { lanes: 4, maxPerOriginShare: 1 })
    const senders = groups.map((group) => wns.sender(group, { isEager: true }))
    for (const sender of senders) sender.fill()
    const [first, second] = senders
    await until('a thousand posts are done', () => senders.reduce((sum, { done }) => sum + done, 0) > 1_000)
    for (const sender of senders) sender.rest()
    await until('the lanes are free', () => wns.pool.busy === 0)
    const ratio = (second?.done ?? 0) / (first?.done ?? 1)
    expect(ratio).toBeGreaterThan(0.5)
    expect(ratio).toBeLessThan(2)
  })

  test('a group with many senders gets as many lanes as a group with one', async () => {
    await using wns = await setup(always(received), { lanes: 4, maxPerOriginShare: 1 })
    const many = Array.from({ length: 6 }, () => wns.sender('news', { isEager: true }))
    for (const sender of many) sender.fill()
    const one = wns.sender('mail', { isEager: true })
    one.fill()
    const doneOfMany = (): number => many.reduce((sum, { done }) => sum + done, 0)
    await until('a thousand posts are done', () => one.done + doneOfMany() > 1_000)
    for (const sender of [...many, one]) sender.rest()
    expect(one.done / doneOfMany()).toBeGreaterThan(0.5)
    expect(Math.min(...many.map(({ done }) => done))).toBeGreaterThan(0)
  })

  test('a group that comes later gets the next lanes that become free', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 4, maxPerOriginShare: 1, connectingAtFirst: 4 })
    const news = wns.sender('news', { isEager: true })
    expect(news.fill()).toBe(4)
    const mail = wns.sender('mail', { isEager: true })
    expect(mail.fill()).toBe(0)
    await until('all lanes are busy', () => held.length === 4)
    release(2)
    await until('the free lanes are busy again', () => held.length === 4)
    expect([news.started, mail.started]).toEqual([4, 2])
    // Now each has its share, and keeps it.
    release(4)
    await until('the lanes are busy again', () => held.length === 4)
    expect([news.started, mail.started]).toEqual([6, 4])
  })

  test('a sender of a group that has its share keeps no lane of any host from other groups', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 4, maxPerOriginShare: 1, connectingAtFirst: 4 })
    const busy = wns.sender('news', { isEager: true })
    const waiting = Array.from({ length: 3 }, () => wns.sender('news', { origin: SLOW }))
    expect(busy.fill()).toBe(4)
    await until('all lanes are busy', () => held.length === 4)
    for (const sender of waiting) expect(sender.fill()).toBe(0)
    const mail = wns.sender('mail', { isEager: true })
    expect(mail.fill()).toBe(0)
    release(2)
    await until('the free lanes are busy again', () => held.length === 4)
    expect([busy.started, mail.started]).toEqual([4, 2])
  })

  test('a group leaves the lanes beyond its share free for another one, and takes them once that one has left', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 4, maxPerOriginShare: 1, connectingAtFirst: 4 })
    const [news, mail] = [wns.sender('news', { isEager: true }), wns.sender('mail', { origin: SLOW })]
    expect(news.fill()).toBe(2)
    expect([mail.tryPost(), news.fill()]).toEqual([true, 0])
    await until('three requests are there', () => held.length === 3)
    mail.leave()
    await until('the free lane carries a post of news', () => news.started === 3)
    release()
    await until('news has all lanes', () => held.length === 4)
  })

  test('more senders than lanes take turns', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    const senders = ['news', 'mail', 'chat'].map((group) => wns.sender(group, { isEager: true }))
    for (const sender of senders) sender.fill()
    // Looks after every turn of the event loop, so that the senders stop at 90 posts.
    while (senders.reduce((sum, { done }) => sum + done, 0) < 90) await nextTurn()
    for (const sender of senders) sender.rest()
    for (const { done } of senders) expect(Math.abs(done - 30)).toBeLessThanOrEqual(1)
  })

  test('a refused sender is called once when a lane is free', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 1 })
    const sender = wns.sender()
    const first = wns.post()
    expect(sender.fill()).toBe(0)
    await until('the request is there', () => held.length === 1)
    expect(sender.called).toBe(0)
    release()
    await first
    expect(sender.called).toBe(1)
  })

  test('a sender that was not refused is not called', async () => {
    await using wns = await setup(always(received), { lanes: 1 })
    const sender = wns.sender()
    await oneAfterAnother(wns, 3)
    expect(sender.called).toBe(0)
  })

  test('a refused sender that does not try again keeps no lane free', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 2, maxPerOriginShare: 1 })
    const [busy, idle] = [wns.sender('news', { isEager: true }), wns.sender('news')]
    expect(busy.fill()).toBe(2)
    expect(idle.fill()).toBe(0)
    await until('both lanes are busy', () => held.length === 2)
    release(1)
    await until('the only sender with posts has both lanes again', () => held.length === 2)
    expect([busy.started, idle.called]).toEqual([3, 1])
  })

  test('a sender that left is called no more and starts nothing, but its post ends', async () => {
    const { held, behave, release } = holding()
    await using wns = await setup(behave, { lanes: 1 })
    const [first, second] = [wns.sender(), wns.sender()]
    expect([first.fill(), second.fill()]).toEqual([1, 0])
    await until('the request is there', () => held.length === 1)
    first.leave()
    second.leave()
    second.leave()
    release()
    await until('the post has ended', () => first.done === 1)
    expect([first.tryPost(), second.called]).toEqual([false, 0])
  })

  test('a listener that throws keeps no other sender from its answers', async () => {
    await using wns = await setup(always(received), { lanes: 2, maxPerOriginShare: 1 })
    const errors: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => errors.push(error))
    const broken = wns.pool.join('news', {
      done: () => {
        throw new Error('broken listener')
      },
      onFree: () => {},
    })
    broken.tryPost(ORIGIN, '/', [], Buffer.from('x'), 0)
    expect((await wns.post()).outcome.kind).toBe('accepted')
    await until('the process gets the error', () => errors.length === 1)
    process.removeAllListeners('uncaughtException')
    for (const listener of others) process.on('uncaughtException', listener)
  })
})

describe('connections that are free', () => {
  test('a lane is closed before the server closes it, as far as that was announced', async () => {
    await using wns = await setup(always(answer(200, { 'Keep-Alive': 'timeout=1' })))
    expect((await wns.post()).outcome.kind).toBe('accepted')
    expect(wns.pool.open).toBe(0)
  })

  test('a lane without a post is closed after its idle time', async () => {
    await using wns = await setup(always(received), { idleMs: 50 })
    await wns.post()
    expect(wns.pool.open).toBe(1)
    await until('the lane is closed', () => wns.pool.open === 0)
    await until('the connection is closed', () => wns.server.sockets.size === 0)
  })
})

describe('stopping', () => {
  test('stop waits for posts under way, refuses new ones and closes every connection', async () => {
    const waiting: (() => void)[] = []
    await using wns = await setup((socket) => void waiting.push(() => socket.write(received)))
    const post = wns.post()
    await until('the request is there', () => waiting.length === 1)
    const stopped = wns.pool.stop()
    await expect(wns.post()).rejects.toThrow('no lane')
    for (const release of waiting) release()
    expect((await post).outcome.kind).toBe('accepted')
    await stopped
    await wns.pool.stop()
    expect(wns.pool.open).toBe(0)
    await until('the server sees no connection', () => wns.server.sockets.size === 0)
  })

  test('abortAll ends written posts as ambiguous and unwritten ones as not sent', async () => {
    await using wns = await setup(never)
    const written = wns.post()
    await until('the request is there', () => wns.server.requests.length === 1)
    const unwritten = wns.post()
    wns.pool.abortAll()
    expect((await written).outcome).toEqual({ kind: 'ambiguous', code: 'stopped' })
    expect((await unwritten).outcome).toEqual({ kind: 'not-sent', code: 'stopped' })
    await wns.pool.stop()
  })

  test('stop ends with the deadline of a post whose server never answers', async () => {
    await using wns = await setup(never, { deadlineMs: 100 })
    const post = wns.post()
    await wns.pool.stop()
    expect((await post).outcome).toEqual({ kind: 'ambiguous', code: 'timeout' })
  })

  test('options out of range are rejected', async () => {
    await using wns = await setup(never)
    expect(() => createLanePool(wns.transport, { lanes: 0 })).toThrow('lanes must be')
    expect(() => createLanePool(wns.transport, { maxPerOriginShare: 2 })).toThrow('maxPerOriginShare')
    expect(() => createLanePool(wns.transport, { deadlineMs: 0 })).toThrow('deadlineMs')
  })
})
