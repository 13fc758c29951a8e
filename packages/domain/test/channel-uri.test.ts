import { fc, test as property } from '@fast-check/vitest'
import { growsLinearly } from '@wns-fanout/testing'
import { describe, expect, test } from 'vitest'
import type { ChannelUriProblem } from '../src/channel-uri.ts'
import { channelUriSplitter, MAX_CHANNEL_URI_LENGTH, parseChannelUri, splitChannelUri } from '../src/channel-uri.ts'

// The same texts in every run.
fc.configureGlobal({ seed: 1 })

const host = 'db5p.notify.windows.com'
const token = '?token=AwYAAAD8sfbDrL9h7mN'

// raw, host, request target
const benign: [string, string, string][] = [
  [`https://${host}/?token=T`, host, '/?token=T'],
  [`https://${host}?token=T`, host, '/?token=T'],
  [`https://${host}`, host, '/'],
  [`https://${host}/`, host, '/'],
  [`https://${host}:443`, host, '/'],
  [`https://${host}:443/?token=T`, host, '/?token=T'],
  [`https://${host}:443?token=T`, host, '/?token=T'],
  ['https://notify.windows.com/?token=T', 'notify.windows.com', '/?token=T'],
  [`HTTPS://DB5P.NOTIFY.WINDOWS.COM/?token=Tt`, host, '/?token=Tt'],
  [`hTtPs://Db5P.Notify.Windows.Com/W/`, host, '/W/'],
  [
    'https://cloud.notify.windows.com/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d',
    'cloud.notify.windows.com',
    '/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d',
  ],
  [`https://${host}/w?token=T`, host, '/w?token=T'],
  [`https://${host}/w/x?token=T`, host, '/w/x?token=T'],
  ['https://a.b.c.notify.windows.com/?token=T', 'a.b.c.notify.windows.com', '/?token=T'],
  ['https://1.notify.windows.com/?token=T', '1.notify.windows.com', '/?token=T'],
  ['https://a--b.notify.windows.com/?token=T', 'a--b.notify.windows.com', '/?token=T'],
  [`https://${'a'.repeat(63)}.notify.windows.com/?token=T`, `${'a'.repeat(63)}.notify.windows.com`, '/?token=T'],
  [`https://${host}/?token=a@evil.com`, host, '/?token=a@evil.com'],
  [`https://${host}/?token=a'b`, host, `/?token=a'b`],
  [`https://${host}/?token=%`, host, '/?token=%'],
  [`https://${host}/?token=%zz%2F%2f`, host, '/?token=%zz%2F%2f'],
  [`https://${host}/a/../b/./c?token=T`, host, '/a/../b/./c?token=T'],
  [`https://${host}//evil.com/?token=T`, host, '//evil.com/?token=T'],
  [`https://${host}/?token=T&x=https://evil.com/`, host, '/?token=T&x=https://evil.com/'],
  [`https://${host}/?a=b?c=d`, host, '/?a=b?c=d'],
  [`https://${host}/?token=-._~!$&'()*+,;=:@/?`, host, `/?token=-._~!$&'()*+,;=:@/?`],
  [`https://${host}/?token=%0d%0aX-Injected:1`, host, '/?token=%0d%0aX-Injected:1'],
  [`https://${host}/?token=%00`, host, '/?token=%00'],
  ['https://xn--bcher-kva.notify.windows.com/', 'xn--bcher-kva.notify.windows.com', '/'],
]

const scheme: unknown[] = [
  '',
  ' ',
  host,
  `//${host}/${token}`,
  `/${token}`,
  `http://${host}/${token}`,
  `HTTP://${host}/${token}`,
  `ftp://${host}/${token}`,
  `ws://${host}/${token}`,
  `wss://${host}/${token}`,
  `file://${host}/${token}`,
  `gopher://${host}/${token}`,
  `javascript:alert('https://${host}/')`,
  `data:text/html,https://${host}/`,
  `blob:https://${host}/${token}`,
  `view-source:https://${host}/`,
  `ms-app://${host}/`,
  `https:${host}/${token}`,
  `https:/${host}/${token}`,
  `https:\\\\${host}\\${token}`,
  `https:/\\${host}/${token}`,
  `https\t://${host}/${token}`,
  `ht\ntps://${host}/${token}`,
  `https:\n//${host}/${token}`,
  `https:/\t/${host}/${token}`,
  ` https://${host}/${token}`,
  `\thttps://${host}/${token}`,
  `\uFEFFhttps://${host}/${token}`,
  `\u0000https://${host}/${token}`,
  `\u00A0https://${host}/${token}`,
  `http\u017F://${host}/${token}`,
  `https%3a//${host}/${token}`,
  `https%3A%2F%2F${host}%2F`,
  `xhttps://${host}/${token}`,
  `url:https://${host}/${token}`,
  `"https://${host}/${token}"`,
  `<https://${host}/${token}>`,
  `\r\nhttps://${host}/${token}`,
]

const authority: string[] = [
  'https://',
  'https:///',
  `https:///${host}/${token}`,
  `https:////${host}/${token}`,
  'https://?token=notify.windows.com',
  'https://#.notify.windows.com',
  `https://${host}@evil.com/${token}`,
  `https://user:pass@${host}/${token}`,
  `https://user@${host}/${token}`,
  `https://@${host}/${token}`,
  `https://:@${host}/${token}`,
  `https://evil.com:x@${host}:y@evil.com/`,
  `https://evil.com@${host}/`,
  `https://evil.com%40${host}/`,
  `https://${host}:8443/${token}`,
  `https://${host}:80/${token}`,
  `https://${host}:0/${token}`,
  `https://${host}:65536/${token}`,
  `https://${host}:99999999999/${token}`,
  `https://${host}:443x/${token}`,
  `https://${host}:x443/${token}`,
  `https://${host}:0443/${token}`,
  `https://${host}:+443/${token}`,
  `https://${host}:-443/${token}`,
  `https://${host}: 443/${token}`,
  `https://${host}:443:443/${token}`,
  `https://${host}:443@evil.com/${token}`,
  `https://${host}:/${token}`,
  `https://${host}:`,
  `https://${host}:４４３/${token}`,
  `https://[::1]/`,
  `https://[::ffff:169.254.169.254]/`,
  `https://[fe80::1%25eth0]/`,
  `https://[${host}]/`,
  `https://[::1].notify.windows.com/`,
  `https://redis:6379/`,
  `https://localhost:6379/?x=.notify.windows.com`,
  `https://*.notify.windows.com/`,
  `https://db_5p.notify.windows.com/`,
  `https://db5p notify.windows.com/`,
  `https://db5p.notify.windows.com /`,
  `https://db5p.notify.win\tdows.com/`,
  `https://db5p.notify.win\ndows.com/`,
  `https://db5p.notify.windows.com\t/`,
  `https://${host}\\@evil.com/${token}`,
  `https://evil.com\\@${host}/${token}`,
  `https://evil.com\\.notify.windows.com/`,
  `https://${host}\\${token}`,
  `https://${host}\\`,
  `https://\\${host}/`,
  `https://evil.com#.notify.windows.com`,
  `https://evil.com#@${host}/`,
  `https://${host}#`,
  `https://${host}#@evil.com/`,
  `https://db5p.notify%2ewindows.com/${token}`,
  `https://${host}%2eevil.com/`,
  `https://${host}%2fevil.com/`,
  `https://${host}%23.evil.com/`,
  `https://${host}%00.evil.com/`,
  `https://evil.com%00.notify.windows.com/`,
  `https://evil.com%2f.notify.windows.com/`,
  `https://evil.com%23.notify.windows.com/`,
  `https://evil.com%5c.notify.windows.com/`,
  `https://%64b5p.notify.windows.com/`,
  `https://${host}%20/`,
  `https://${host}%/`,
  `https://db5p.notify.windows。com/${token}`,
  `https://db5p．notify.windows.com/${token}`,
  `https://db5p.notify.windows｡com/${token}`,
  `https://ｄｂ５ｐ.notify.windows.com/${token}`,
  `https://db5p.notify.wındows.com/`,
  `https://db5p.nоtify.windows.com/`,
  `https://db5p.notify.window\u017F.com/`,
  `https://d\u212A5p.notify.windows.com/`,
  `https://db5p.noti\u200Bfy.windows.com/`,
  `https://db5p.noti\u00ADfy.windows.com/`,
  `https://db5p.noti\u200Dfy.windows.com/`,
  `https://db5p.noti\u2060fy.windows.com/`,
  `https://\u202Emoc.swodniw.yfiton.p5bd/`,
  `https://evil.c\u2100.notify.windows.com/`,
  `https://evil.com\uFF0F.notify.windows.com/`,
  `https://evil.com\u2044.notify.windows.com/`,
  `https://evil.com\uFF03.notify.windows.com/`,
  `https://evil.com\uFE56.notify.windows.com/`,
  `https://b\u00FCcher.notify.windows.com/`,
  `https://\u0000${host}/`,
  `https://${host}\u0000/`,
  `https://\uD800.notify.windows.com/`,
  `https://evil.com;.notify.windows.com/`,
  `https://evil.com,${host}/`,
  `https://evil.com&.notify.windows.com/`,
  `https://a=b.notify.windows.com/`,
  `https://(evil.com).notify.windows.com/`,
  'https://{host}.notify.windows.com/',
  `https://evil.com|.notify.windows.com/`,
  `https://evil.com^.notify.windows.com/`,
  `https://evil.com\`.notify.windows.com/`,
  `https://evil.com".notify.windows.com/`,
  `https://evil.com'.notify.windows.com/`,
  `https://evil.com<.notify.windows.com/`,
]

const characters: string[] = [
  `https://${host}/${token}#frag`,
  `https://${host}/#`,
  `https://${host}/${token}#@evil.com`,
  `https://${host}/${token}\r\nX-Injected: 1`,
  `https://${host}/${token}\n`,
  `https://${host}/${token}\r`,
  `https://${host}/${token} HTTP/1.1`,
  `https://${host}/${token}\t`,
  `https://${host}/${token} `,
  `https://${host}/\u0000`,
  `https://${host}/${token}\u007F`,
  `https://${host}/?token=é`,
  `https://${host}/?token=🎉`,
  `https://${host}/?token=\uD800`,
  `https://${host}/?token=\u2028`,
  `https://${host}/?token=ſ`,
  `https://${host}/?token=\u212A`,
  `https://${host}/?token=a\\b`,
  `https://${host}/\\evil.com`,
  `https://${host}/?token="T"`,
  `https://${host}/?token=<T>`,
  `https://${host}/?token={T}`,
  `https://${host}/?token=[T]`,
  `https://${host}/?token=a|b`,
  `https://${host}/?token=a^b`,
  `https://${host}/?token=a\`b`,
]

const hosts: string[] = [
  'https://evil.com/?token=notify.windows.com',
  'https://evil.com/.notify.windows.com',
  'https://evil.com/https://db5p.notify.windows.com/',
  'https://notify.windows.com.evil.com/?token=T',
  'https://db5p.notify.windows.com.evil.com/',
  'https://evilnotify.windows.com/?token=T',
  'https://evil-notify.windows.com/?token=T',
  'https://db5p.notifyxwindows.com/?token=T',
  'https://db5p.notify.windowsxcom/?token=T',
  'https://db5p-notify-windows-com/?token=T',
  'https://db5p.notify.windows.com.au/?token=T',
  'https://db5p.notify.windows.co/?token=T',
  'https://db5p.notify.windows.comm/?token=T',
  'https://db5p.notify.windows.cn/?token=T',
  'https://db5p.wns.windows.com/?token=T',
  'https://login.live.com/?token=T',
  'https://windows.com/?token=T',
  'https://com/?token=T',
  'https://db5p.notify.windows.com./?token=T',
  'https://notify.windows.com./',
  'https://db5p.notify.windows.com../',
  'https://.notify.windows.com/',
  'https://..notify.windows.com/',
  'https://a..notify.windows.com/',
  'https://db5p.notify..windows.com/',
  'https://-.notify.windows.com/',
  'https://-a.notify.windows.com/',
  'https://a-.notify.windows.com/',
  'https://a.-b.notify.windows.com/',
  'https://.a.notify.windows.com/',
  `https://${'a'.repeat(64)}.notify.windows.com/`,
  `https://${'a.'.repeat(120)}notify.windows.com/`,
  'https://127.0.0.1/',
  'https://127.1/',
  'https://0x7f000001/',
  'https://2130706433/',
  'https://0177.0.0.1/',
  'https://0/',
  'https://10.0.0.1/?x=.notify.windows.com',
  'https://169.254.169.254/latest/meta-data/?x=notify.windows.com',
  'https://kubernetes.default.svc/',
  'https://localhost/',
  'https://redis/',
  'https://xn--.notify.windows.com/',
  'https://xn--zz-.notify.windows.com/',
  'https://./',
  'https://-/',
  'https://..',
]

const hostile: [ChannelUriProblem, unknown][] = [
  ...[undefined, null, 0, 1.5, true, {}, [], [`https://${host}/`], new URL(`https://${host}/`), Symbol('u')].map(
    (raw): [ChannelUriProblem, unknown] => ['not-text', raw],
  ),
  ['too-long', `https://${host}/?token=${'a'.repeat(MAX_CHANNEL_URI_LENGTH)}`],
  ['too-long', `https://${host}/?token=${'a'.repeat(8192)}`],
  ...scheme.map((raw): [ChannelUriProblem, unknown] => ['scheme', raw]),
  ...authority.map((raw): [ChannelUriProblem, unknown] => ['authority', raw]),
  ...characters.map((raw): [ChannelUriProblem, unknown] => ['characters', raw]),
  ...hosts.map((raw): [ChannelUriProblem, unknown] => ['host', raw]),
]

describe('a channel URI', () => {
  test.for(benign)('%s is accepted and kept byte for byte', ([raw, expectedHost, path]) => {
    const uri = { raw, host: expectedHost, origin: `https://${expectedHost}`, path }
    expect(parseChannelUri(raw)).toEqual({ ok: true, uri })
    expect(splitChannelUri(raw)).toEqual({ host: uri.host, origin: uri.origin, path })
  })

  test.for(hostile)('%s: %j is rejected', ([reason, raw]) => {
    const parsed = parseChannelUri(raw)
    expect(parsed).toMatchObject({ ok: false, reason })
    if (typeof raw === 'string') expect(splitChannelUri(raw)).toBeNull()
  })

  test.for(['/w/?token=BQYAAA', '/w/', '/w/?'])('of web push in Edge is rejected by name: %s', (path) => {
    const raw = `https://wns2-par02p.notify.windows.com${path}`
    const parsed = parseChannelUri(raw)
    expect(parsed).toMatchObject({ ok: false, reason: 'web-push', detail: expect.stringContaining('web push in Edge') })
    // A channel that was registered before is still posted to, so that the answer of WNS settles it.
    expect(splitChannelUri(raw)?.path).toBe(path)
  })

  const texts = [...benign, ...hostile].flatMap(([one, other]) => [one, other]).filter((raw) => typeof raw === 'string')
  const variants = texts.flatMap((raw) => [raw, `${raw}a`, raw.replace('://', '://a.'), raw.replace('/?', ':443/?')])
  property.prop([fc.array(fc.constantFrom(...variants, `https://${host}/?token=a`), { maxLength: 20 })])(
    'is split the same whatever was split before it',
    (raws) => {
      const split = channelUriSplitter()
      for (const raw of raws) expect(split(raw)).toEqual(splitChannelUri(raw))
    },
  )

  test('the tables cover the policy: at least 23 valid URIs, and 150 in all', () => {
    expect(benign.length).toBeGreaterThanOrEqual(23)
    expect(benign.length + hostile.length).toBeGreaterThanOrEqual(150)
    expect(new Set(hostile.map(([, raw]) => raw)).size).toBe(hostile.length)
  })

  test('of exactly 2048 characters is accepted, one of 2049 is rejected', () => {
    const base = `https://${host}/?token=`
    const longest = base.padEnd(MAX_CHANNEL_URI_LENGTH, 'a')
    expect(parseChannelUri(longest).ok).toBe(true)
    expect(splitChannelUri(longest)).not.toBeNull()
    expect(parseChannelUri(`${longest}a`)).toMatchObject({ reason: 'too-long' })
    expect(splitChannelUri(`${longest}a`)).toBeNull()
  })

  test('is never repeated in the detail of its rejection', () => {
    for (const [, raw] of hostile) {
      const parsed = parseChannelUri(raw)
      expect(parsed.ok).toBe(false)
      if (parsed.ok) continue
      expect(parsed.detail).not.toMatch(/evil|token=|db5p/)
    }
  })

  test('of hostile shape is judged in linear time', () => {
    const most = MAX_CHANNEL_URI_LENGTH
    const shapes: readonly ((size: number) => string)[] = [
      (size) => `https://${'a'.repeat(size)}`,
      (size) => `https://${'a.'.repeat(size / 2)}`,
      (size) => `https://${'a-'.repeat(size / 2)}`,
      (size) => `https://${'-'.repeat(size)}`,
      (size) => `https://${'.'.repeat(size)}`,
      (size) => `https://${'a.'.repeat(size / 2)}notify.windows.com/`,
      (size) => `https://${'a'.repeat(size)}.notify.windows.com/`,
      (size) => `https://${host}/${'?'.repeat(size)}#`,
      (size) => `https://${host}/${'%'.repeat(size)}\\`,
      (size) => `https://${host}${':443'.repeat(size / 4)}`,
      (size) => `https://${'@'.repeat(size)}`,
      (size) => `https://${'%2e'.repeat(size / 3)}.notify.windows.com`,
      (size) => `https://${'xn--a.'.repeat(size / 6)}notify.windows.com/`,
    ]
    for (const shape of shapes) {
      const isLinear = growsLinearly(most / 8, (size) => parseChannelUri(shape(size).slice(0, most)))
      expect(isLinear, shape(4)).toBe(true)
    }
  })

  // Strings near the grammar: pieces of real URIs and of attacks, in any order.
  const pieces = fc.oneof(
    fc.constantFrom('https://', 'HTTPS://', 'http://', host, 'notify.windows.com', '.notify.windows.com', 'evil.com'),
    fc.constantFrom('/', '?', '#', '@', ':', ':443', ':80', '\\', '.', '-', '%', '%2e', '//', '/../', '[::1]', 'xn--'),
    fc.constantFrom('token=T', 'a', 'A', '1', '\t', '\n', ' ', '。', 'ſ', '\u200B', '\uD800', '\u0000'),
  )
  const nearUri = fc.oneof(
    fc.array(pieces, { maxLength: 8 }).map((parts) => parts.join('')),
    fc.array(pieces, { maxLength: 6 }).map((parts) => `https://${parts.join('')}`),
    fc.array(pieces, { maxLength: 5 }).map((parts) => `https://${host}${parts.join('')}`),
    fc.array(pieces, { maxLength: 4 }).map((parts) => `https://${parts.join('')}.notify.windows.com/?token=T`),
    fc.string({ unit: 'binary' }),
    fc.webUrl(),
  )

  property.prop([nearUri], { numRuns: 5000 })('that is accepted has the same host for every parser', (raw) => {
    const parsed = parseChannelUri(raw)
    if (!parsed.ok) return
    // Appendix B of RFC 3986.
    const authorityOf = /^(?:[^:/?#]+:)?(?:\/\/([^/?#]*))?/.exec(raw)?.[1] ?? ''
    const rfcHost = authorityOf
      .replace(/^.*@/, '')
      .replace(/:[0-9]*$/, '')
      .toLowerCase()
    const url = new URL(raw)
    expect(rfcHost).toBe(parsed.uri.host)
    expect(url.hostname).toBe(parsed.uri.host)
    expect(url.port).toBe('')
    expect(/^([a-z0-9-]+\.)*notify\.windows\.com$/.test(parsed.uri.host)).toBe(true)
    expect(raw.endsWith(parsed.uri.path) || raw.endsWith(parsed.uri.path.slice(1))).toBe(true)
    expect(parsed.uri.path).toMatch(/^\/[\x21-\x7E]*$/)
    expect(splitChannelUri(raw)).toEqual({ host: parsed.uri.host, origin: parsed.uri.origin, path: parsed.uri.path })
  })

  property.prop([fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{0,300}$/)])(
    'keeps any token of legal characters as it is',
    (legal) => {
      const raw = `https://${host}/?${legal}`
      expect(parseChannelUri(raw)).toMatchObject({ ok: true, uri: { raw, path: `/?${legal}` } })
    },
  )
})
