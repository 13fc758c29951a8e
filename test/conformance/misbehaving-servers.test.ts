import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import type { Outcome, RecipientClass } from '@wns-fanout/domain'
import { classes, codeTable, prepareMessage } from '@wns-fanout/domain'
import { decide } from '@wns-fanout/fanout'
import { postHeaders } from '@wns-fanout/wns'
import { describe, expect, test, vi } from 'vitest'
import type { Exchange } from './support/exchange.ts'
import { bodyOf, startExchange, toast, TOKEN } from './support/exchange.ts'
import type { Peer, WireServer } from './support/wire-server.ts'
import { answerBytes } from './support/wire-server.ts'

// How one connection reads hostile bytes is tested beside the lane. Here a whole host misbehaves while another one is
// well, through everything between a notification and the class of a recipient.

const BAD = 'https://bad.notify.windows.com'
const GOOD = 'https://good.notify.windows.com'
/** Of the cases that only the deadline ends; the others have the usual ten seconds and need none of them. */
const SHORT_DEADLINE_MS = 1000
/** The sweep over all lanes is every 50 ms here; the rest is for a busy machine. */
const received = answerBytes(200, { 'X-WNS-STATUS': 'received' })
const gone = answerBytes(410, { 'X-WNS-STATUS': 'dropped' })

type Misbehave = (peer: Peer, server: WireServer) => void

interface Case {
  readonly name: string
  readonly answer?: Misbehave
  /** Instead of an answer, what the server does when the connection comes or the handshake is done. */
  readonly arrange?: (server: WireServer) => void
  /** Nothing but the deadline ends its posts. */
  readonly isEndless?: true
  readonly outcome: Partial<Outcome>
  /** Class of the recipient at-most-once, and at-least-once when the attempts are used up. */
  readonly once: RecipientClass
  readonly last: RecipientClass
}

function text(bytes: string | Buffer): Misbehave {
  return (peer) => peer.write(bytes)
}

function thenReset(bytes: string): Misbehave {
  return (peer) => peer.write(bytes, () => peer.reset())
}

/** Writes `first`, then `more` repeatedly without end. Without pauses it would starve the sender in this process. */
function endless(first: string, more: string, everyMs = 2): Misbehave {
  return (peer) => {
    const again = (): void => {
      if (peer.socket.writable) setTimeout(() => peer.write(more, again), everyMs).unref()
    }
    peer.write(first, again)
  }
}

function uncertain(code: string) {
  return { outcome: { kind: 'ambiguous', code }, once: 'in_doubt', last: 'failed' } as const
}
const tooLate = { ...uncertain('timeout'), isEndless: true } as const
const lost = { outcome: { kind: 'ambiguous' }, once: 'in_doubt', last: 'failed' } as const
const unsent = { outcome: { kind: 'not-sent' }, once: 'pending', last: 'failed' } as const
const taken = { outcome: { kind: 'accepted' }, once: 'accepted', last: 'accepted' } as const
const refusedForGood = { outcome: { kind: 'bad-request' }, once: 'rejected', last: 'rejected' } as const

const head = 'HTTP/1.1 200 OK\r\nX-WNS-STATUS: received\r\n'
const bomb = gzipSync(Buffer.alloc(10_000_000))

const cases: readonly Case[] = [
  { name: 'greets like a mail server', answer: text('220 smtp.example ESMTP\r\n'), ...uncertain('protocol') },
  { name: 'has a status line of garbage', answer: text('HTTP/1.1 two hundred\r\n\r\n'), ...uncertain('protocol') },
  { name: 'answers in HTTP/2', answer: text('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), ...uncertain('protocol') },
  {
    name: 'has a header of 20 kB',
    answer: text(`${head}X-Long: ${'x'.repeat(20_000)}\r\n\r\n`),
    ...uncertain('too-large'),
  },
  {
    name: 'has headers without end',
    answer: endless(head, 'X-More: of them\r\n'.repeat(400)),
    ...uncertain('too-large'),
  },
  { name: 'has a body without end', answer: endless(`${head}\r\n`, 'x'.repeat(40_000)), ...uncertain('too-large') },
  {
    name: 'has chunks without end',
    answer: endless(`${head}Transfer-Encoding: chunked\r\n\r\n`, `4000\r\n${'x'.repeat(16_384)}\r\n`),
    ...uncertain('too-large'),
  },
  {
    name: 'announces a body of ten gigabytes',
    answer: text(`${head}Content-Length: 10000000000\r\n\r\n`),
    ...uncertain('too-large'),
  },
  {
    name: 'sends a gzip bomb, which is not decompressed',
    answer: text(answerBytes(200, { 'X-WNS-STATUS': 'received', 'Content-Encoding': 'gzip' }, bomb)),
    ...taken,
  },
  {
    name: 'redirects to the machine itself',
    answer: text(answerBytes(307, { Location: 'https://127.0.0.1/' })),
    ...refusedForGood,
  },
  {
    name: 'gives early hints without end',
    answer: endless('', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n'.repeat(20)),
    ...uncertain('too-large'),
  },
  {
    name: 'is slow with its headers',
    answer: endless('HTTP/1.1 200 OK\r\nX-Slow: ', 'x', 20),
    ...tooLate,
  },
  { name: 'drips its body', answer: endless(`${head}Content-Length: 1000\r\n\r\n`, 'x', 20), ...tooLate },
  { name: 'never answers', answer: () => {}, ...tooLate },
  {
    name: 'resets before the handshake',
    arrange: (server) => (server.greet = (raw) => raw.resetAndDestroy()),
    ...unsent,
  },
  {
    name: 'resets in the handshake',
    arrange: (server) => (server.hello = (raws) => raws.forEach((raw) => raw.resetAndDestroy())),
    ...unsent,
  },
  { name: 'closes before the handshake', arrange: (server) => (server.greet = (raw) => raw.end()), ...unsent },
  {
    name: 'resets when the request begins',
    arrange: (server) => (server.welcome = (peer) => peer.socket.prependOnceListener('data', () => peer.reset())),
    ...lost,
  },
  { name: 'resets after the request', answer: (peer) => peer.reset(), ...lost },
  { name: 'resets in the status line', answer: thenReset('HTTP/1.1 2'), ...lost },
  { name: 'resets in the headers', answer: thenReset(`${head}X-WNS-MS`), ...lost },
  { name: 'resets between headers and body', answer: thenReset(`${head}Content-Length: 5\r\n\r\n`), ...lost },
  { name: 'resets in the body', answer: thenReset(`${head}Content-Length: 5\r\n\r\nab`), ...lost },
  { name: 'closes after the request', answer: (peer) => peer.socket.end(), ...uncertain('closed') },
  { name: 'closes in the headers', answer: (peer) => peer.socket.end(head), ...uncertain('closed') },
  { name: 'answers 410 without being WNS', answer: text(answerBytes(410)), ...uncertain('not-from-wns') },
  { name: 'answers 503 without being WNS', answer: text(answerBytes(503)), ...uncertain('not-from-wns') },
]

const message = prepareMessage(toast)
const headers = postHeaders(message, { token: TOKEN, ttlSeconds: 60 })
const body = bodyOf(message)

/** Posts a number of notifications to an origin, each as soon as a lane is free. */
function postAll({ pool }: Exchange, origin: string, count: number): Promise<Outcome[]> {
  return new Promise((resolve) => {
    const outcomes: Outcome[] = []
    let started = 0
    const pump = (): void => {
      while (started < count && lanes.tryPost(origin, `/?token=${started}`, headers, body, 0)) started += 1
    }
    const done = (_context: number, outcome: Outcome): void => {
      outcomes.push(outcome)
      if (outcomes.length < count) return pump()
      lanes.leave()
      resolve(outcomes)
    }
    const lanes = pool.join('news', { done, onFree: pump })
    pump()
  })
}

function classAfter(outcome: Outcome, delivery: 'at-most-once' | 'at-least-once', spent: number): RecipientClass {
  const attempt = { posts: spent + 1, spent, reauthorized: false, delivery, maxAttempts: 5, random: 0.5 } as const
  const disposition = decide(outcome, attempt)
  return 'code' in disposition ? (codeTable[disposition.code]?.class ?? 'pending') : 'pending'
}

/** A server with two hosts, of which one misbehaves. */
async function start({ answer, arrange, isEndless }: Partial<Case>): Promise<Exchange> {
  const deadlineMs = isEndless === true ? SHORT_DEADLINE_MS : 10_000
  const exchange = await startExchange(() => {}, { lanes: 16, deadlineMs })
  const { server } = exchange
  server.behave = (peer, request) => {
    if (request.serverName.startsWith('good')) peer.write(received)
    else (answer ?? text(received))(peer, server)
  }
  // The working host connects first, because connection faults cannot distinguish the hosts.
  await postAll(exchange, GOOD, 1)
  arrange?.(server)
  return exchange
}

describe('a host that', () => {
  test.for(cases)('$name: each post ends in time, in its class, and another host is not affected', async (wrong) => {
    await using exchange = await start(wrong)
    const good = wrong.arrange === undefined ? postAll(exchange, GOOD, 40) : Promise.resolve([])
    const outcomes = await postAll(exchange, BAD, 6)
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject(wrong.outcome)
      expect(classAfter(outcome, 'at-most-once', 0)).toBe(wrong.once)
      expect(classAfter(outcome, 'at-least-once', 4)).toBe(wrong.last)
    }
    expect((await good).filter(({ kind }) => kind !== 'accepted')).toEqual([])
    exchange.server.greet = () => {}
    exchange.server.hello = () => {}
    exchange.server.welcome = () => {}
    exchange.server.behave = (peer) => peer.write(received)
    expect((await postAll(exchange, BAD, 3)).map(({ kind }) => kind)).toEqual(['accepted', 'accepted', 'accepted'])
  })

  test('answers everything twice at once: the second answer is ignored', async () => {
    await using exchange = await start({ answer: text(Buffer.concat([received, gone])) })
    expect(new Set((await postAll(exchange, BAD, 100)).map(({ kind }) => kind))).toEqual(new Set(['accepted']))
  })

  test('sends a surplus answer just before the real one: no channel is removed', async () => {
    const met = new WeakSet<Peer>()
    await using exchange = await start({
      answer: (peer) => {
        if (!met.has(peer)) peer.write(received)
        else peer.write(gone, () => setTimeout(() => peer.socket.writable && peer.write(received), 2))
        met.add(peer)
      },
    })
    const outcomes = await postAll(exchange, BAD, 60)
    const kinds = new Set(outcomes.map((outcome) => ('code' in outcome ? outcome.code : outcome.kind)))
    expect(kinds).toEqual(new Set(['accepted', 'desync']))
  })
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
function heldBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test.for(cases.filter(({ name }) => /without end|gzip|20 kB|never/.test(name)))(
  'a host that $name does not fill the memory',
  async (wrong) => {
    await using exchange = await start(wrong)
    if (wrong.isEndless !== true) await postAll(exchange, BAD, 8)
    const before = heldBytes()
    let peak = 0
    const sampler = setInterval(() => {
      const { heapUsed, external } = process.memoryUsage()
      peak = Math.max(peak, heapUsed + external)
    }, 5)
    await postAll(exchange, BAD, wrong.isEndless === true ? 8 : 24)
    clearInterval(sampler)
    expect(peak - before).toBeLessThan(64 * 1024 * 1024)
    exchange.server.forget()
    // What belongs to connections that are not quite closed, and memory that V8 frees beside the program, follow.
    await vi.waitUntil(() => heldBytes() - before < 4 * 1024 * 1024, { timeout: 5000 })
  },
)

test('every class of the table is a class of the domain', () => {
  expect(cases.flatMap(({ once, last }) => [once, last]).filter((found) => !classes.includes(found))).toEqual([])
})
