import { fc, test } from '@fast-check/vitest'
import { expect } from 'vitest'
import { ChannelBook } from '../src/channel-book.ts'
import { SlidingSecond } from '../src/sliding-second.ts'

const accepted = { status: 200, wnsStatus: 1, outcome: 0, client: 3, accepted: true, unanswered: false }

test.prop([fc.array(fc.nat({ max: 400 }), { maxLength: 200 })])(
  'the peak of a sliding second is the most events within any 1,000 ms',
  (gapsMs) => {
    const second = new SlidingSecond()
    const atMs: number[] = []
    let nowMs = 0
    for (const gapMs of gapsMs) {
      nowMs += gapMs
      atMs.push(nowMs)
      second.add(nowMs)
    }
    const most = atMs.map((end) => atMs.filter((at) => at <= end && at > end - 1000).length)
    expect(second.peak).toBe(Math.max(0, ...most))
  },
)

test('a sliding second is empty again after a second, however long it rested', () => {
  const second = new SlidingSecond()
  second.add(10)
  expect([second.count(1009), second.count(1010), second.count(1e9)]).toEqual([1, 0, 0])
})

const posts = fc.array(
  fc.record({
    // Few enough that most channels are posted to several times.
    token: fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 }),
    body: fc.nat({ max: 3 }),
    restMs: fc.nat({ max: 5000 }),
  }),
  { maxLength: 300 },
)

test.prop([posts])('the book finds every token again, its bodies and its shortest gap', (made) => {
  const book = new ChannelBook()
  const expected = new Map<string, { bodies: number[]; atMs: number[] }>()
  let nowMs = 0
  for (const { token, body, restMs } of made) {
    const before = expected.get(token) ?? { bodies: [], atMs: [] }
    nowMs += restMs
    expect(book.note(book.row(token), accepted, Buffer.from(`body ${body}`), nowMs)).toBe(before.bodies.includes(body))
    expected.set(token, { bodies: [...before.bodies, body], atMs: [...before.atMs, nowMs] })
  }
  expect(book.size).toBe(expected.size)
  for (const [token, { bodies, atMs }] of expected) {
    const gapsMs = atMs.slice(1).map((at, index) => at - (atMs[index] ?? 0))
    expect(book.read(book.row(token))).toMatchObject({
      token,
      posts: bodies.length,
      acceptedPosts: bodies.length,
      client: 3,
      firstAtMs: atMs[0],
      lastAtMs: atMs.at(-1),
      minAcceptedGapMs: gapsMs.length === 0 ? undefined : Math.min(...gapsMs),
    })
  }
})

test('the book holds many channels through every growth', () => {
  const book = new ChannelBook()
  const channels = 50_000
  for (let n = 0; n < channels; n += 1) expect(book.row(`ok.any.${n}`)).toBe(n)
  for (let n = 0; n < channels; n += 1) if (book.row(`ok.any.${n}`) !== n) expect.fail(`channel ${n} was lost`)
  expect(book.size).toBe(channels)
  expect(book.read(49_999).token).toBe('ok.any.49999')
})
