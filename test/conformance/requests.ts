import type { Notification } from '@wns-fanout/domain'
import type { PostOptions } from './support/exchange.ts'
import type { Source } from './support/sources.ts'

/** One notification and what the other side must see of it. */
export interface RequestRow {
  readonly name: string
  readonly source: Source
  readonly notification: Notification
  readonly post?: PostOptions
  /** Every header besides Host, Content-Length and Authorization, by its documented name. */
  readonly headers: Readonly<Record<string, string>>
  /** The body in full. */
  readonly body: string | Buffer
  /** The request target; that of the usual channel unless given. */
  readonly path?: string
  readonly host?: string
}

const toastXml = '<toast><visual><binding template="ToastGeneric"><text>Hi</text></binding></visual></toast>'
const tileXml = '<tile><visual><binding template="TileMedium"><text>Hi</text></binding></visual></tile>'
const toastHeaders = { 'Content-Type': 'text/xml', 'X-WNS-Type': 'wns/toast' }
const tileHeaders = { 'Content-Type': 'text/xml', 'X-WNS-Type': 'wns/tile' }
const badgeHeaders = { 'Content-Type': 'text/xml', 'X-WNS-Type': 'wns/badge' }
const rawHeaders = {
  'Content-Type': 'application/octet-stream',
  'X-WNS-Type': 'wns/raw',
  'X-WNS-RequestForStatus': 'true',
}
const toast: Extract<Notification, { type: 'toast' }> = { type: 'toast', xml: toastXml }
const raw: Extract<Notification, { type: 'raw' }> = { type: 'raw', text: 'x' }

function toastRow(
  name: string,
  source: Source,
  more: Partial<Extract<Notification, { type: 'toast' }>>,
  headers: Readonly<Record<string, string>>,
): RequestRow {
  return {
    name,
    source,
    notification: { ...toast, ...more },
    headers: { ...toastHeaders, ...headers },
    body: toastXml,
  }
}

function tileRow(
  name: string,
  source: Source,
  more: Partial<Extract<Notification, { type: 'tile' }>>,
  headers: Readonly<Record<string, string>>,
): RequestRow {
  return {
    name,
    source,
    notification: { type: 'tile', xml: tileXml, ...more },
    headers: { ...tileHeaders, ...headers },
    body: tileXml,
  }
}

function pathRow(name: string, source: Source, uri: string, host: string, path: string): RequestRow {
  return {
    name,
    source,
    notification: raw,
    post: { uri },
    headers: rawHeaders,
    body: 'x',
    host,
    path,
  }
}

function textRow(name: string, source: Source, text: string): RequestRow {
  return {
    name,
    source,
    notification: { type: 'raw', text },
    headers: rawHeaders,
    body: text,
  }
}

function badgeRow(value: number | string): RequestRow {
  return {
    name: `a badge of ${value}`,
    source: 'BDG',
    notification: { type: 'badge', value },
    headers: badgeHeaders,
    body: `<badge value="${value}"/>`,
  }
}

const longToast = toastXml.replace('Hi', 'ы'.repeat((5000 - Buffer.byteLength(toastXml) + 2) / 2))

export const requestRows: readonly RequestRow[] = [
  toastRow('a toast', 'HDR', {}, {}),
  tileRow('a tile', 'HDR', {}, {}),
  {
    name: 'a badge of XML',
    source: 'HDR',
    notification: { type: 'badge', xml: '<badge value="1"/>' },
    headers: badgeHeaders,
    body: '<badge value="1"/>',
  },
  textRow('a raw notification, which asks for the state of the device', 'RAW', 'anything at all'),
  {
    name: 'a raw notification of bytes that are no text',
    source: 'RAW',
    notification: { type: 'raw', base64: Buffer.from([1, 0xff, 0xfe, 0x80, 13, 10, 13, 10]).toString('base64') },
    headers: rawHeaders,
    body: Buffer.from([1, 0xff, 0xfe, 0x80, 13, 10, 13, 10]),
  },
  {
    name: 'a raw notification that looks like a request',
    source: 'RFC9112',
    notification: { type: 'raw', text: '\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n' },
    headers: rawHeaders,
    body: '\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n\r\n',
  },
  {
    name: 'a raw notification that does not ask',
    source: 'HDR',
    notification: { type: 'raw', text: 'x', requestForStatus: false },
    headers: { 'Content-Type': 'application/octet-stream', 'X-WNS-Type': 'wns/raw' },
    body: 'x',
  },
  badgeRow(0),
  badgeRow(1),
  badgeRow(99),
  badgeRow(100),
  badgeRow(2_147_483_647),
  ...'none activity alarm alert attention available away busy error newMessage paused playing unavailable'
    .split(' ')
    .map(badgeRow),

  tileRow('X-WNS-Cache-Policy: cache', 'HDR', { cachePolicy: 'cache' }, { 'X-WNS-Cache-Policy': 'cache' }),
  tileRow('X-WNS-Cache-Policy: no-cache', 'HDR', { cachePolicy: 'no-cache' }, { 'X-WNS-Cache-Policy': 'no-cache' }),
  toastRow(
    'a cache policy on a toast, where the caller insists',
    'OVW',
    { cachePolicy: 'no-cache' },
    { 'X-WNS-Cache-Policy': 'no-cache' },
  ),
  {
    name: 'a cache policy on a raw notification',
    source: 'HDR',
    notification: { type: 'raw', text: 'x', cachePolicy: 'cache' },
    headers: { ...rawHeaders, 'X-WNS-Cache-Policy': 'cache' },
    body: 'x',
  },
  {
    name: 'a cache policy on a badge',
    source: 'HDR',
    notification: { type: 'badge', value: 3, cachePolicy: 'cache' },
    headers: { ...badgeHeaders, 'X-WNS-Cache-Policy': 'cache' },
    body: '<badge value="3"/>',
  },
  toastRow('X-WNS-RequestForStatus: true', 'HDR', { requestForStatus: true }, { 'X-WNS-RequestForStatus': 'true' }),
  toastRow('no X-WNS-RequestForStatus for false, the default', 'HDR', { requestForStatus: false }, {}),
  tileRow('X-WNS-Tag on a tile', 'HDR', { wnsTag: 'news' }, { 'X-WNS-Tag': 'news' }),
  tileRow('X-WNS-Tag of 16 characters', 'HDR', { wnsTag: 'abcdefgh12345678' }, { 'X-WNS-Tag': 'abcdefgh12345678' }),
  toastRow('X-WNS-Tag on a toast', 'HDR-OLD', { wnsTag: 'A1' }, { 'X-WNS-Tag': 'A1' }),
  toastRow('X-WNS-Group', 'HDR', { wnsGroup: 'G1' }, { 'X-WNS-Group': 'G1' }),
  toastRow(
    'X-WNS-Tag and X-WNS-Group',
    'HDR',
    { wnsTag: 'A1', wnsGroup: 'G1' },
    { 'X-WNS-Tag': 'A1', 'X-WNS-Group': 'G1' },
  ),
  toastRow('X-WNS-SuppressPopup: true', 'HDR', { suppressPopup: true }, { 'X-WNS-SuppressPopup': 'true' }),
  toastRow('X-WNS-SuppressPopup: false', 'HDR', { suppressPopup: false }, { 'X-WNS-SuppressPopup': 'false' }),
  ...([1, 2, 3, 4] as const).map((wnsPriority) =>
    toastRow(`X-WNS-PRIORITY: ${wnsPriority}`, 'PRI', { wnsPriority }, { 'X-WNS-PRIORITY': String(wnsPriority) }),
  ),
  toastRow('X-WNS-CollectionId', 'COL', { collectionId: 'news' }, { 'X-WNS-CollectionId': 'news' }),
  {
    ...toastRow('X-WNS-TTL, which counts from the receipt', 'HDR', {}, { 'X-WNS-TTL': '300' }),
    post: { ttlSeconds: 300 },
  },
  { ...toastRow('the shortest X-WNS-TTL', 'O-TTL', {}, { 'X-WNS-TTL': '1' }), post: { ttlSeconds: 1 } },
  { ...toastRow('the longest X-WNS-TTL', 'HDR', {}, { 'X-WNS-TTL': '604800' }), post: { ttlSeconds: 604_800 } },
  {
    ...toastRow('MS-CV', 'CV', {}, { 'MS-CV': 'tul4NUsfs9Cl7mOf1a2b3c.0' }),
    post: { msCv: 'tul4NUsfs9Cl7mOf1a2b3c.0' },
  },
  {
    ...toastRow('MS-CV of 127 characters', 'CV', {}, { 'MS-CV': `tul4NUsfs9Cl7mOf1a2b3c${'.1'.repeat(52)}9` }),
    post: { msCv: `tul4NUsfs9Cl7mOf1a2b3c${'.1'.repeat(52)}9` },
  },
  {
    name: 'every header at once',
    source: 'HDR',
    notification: {
      ...toast,
      cachePolicy: 'cache',
      requestForStatus: true,
      wnsTag: 'T',
      wnsGroup: 'G',
      suppressPopup: false,
      wnsPriority: 1,
      collectionId: 'c',
    },
    post: { ttlSeconds: 60, msCv: 'tul4NUsfs9Cl7mOf1a2b3c.7' },
    headers: {
      ...toastHeaders,
      'X-WNS-Cache-Policy': 'cache',
      'X-WNS-RequestForStatus': 'true',
      'X-WNS-Tag': 'T',
      'X-WNS-Group': 'G',
      'X-WNS-SuppressPopup': 'false',
      'X-WNS-PRIORITY': '1',
      'X-WNS-CollectionId': 'c',
      'X-WNS-TTL': '60',
      'MS-CV': 'tul4NUsfs9Cl7mOf1a2b3c.7',
    },
    body: toastXml,
  },

  textRow('Cyrillic, counted in bytes', 'TRB', 'Привет, мир'),
  textRow('emoji, counted in bytes', 'TRB', '👋🏽👨‍👩‍👧‍👦🎉'),
  textRow('Chinese, Arabic and combining characters', 'TRB', '通知 إشعار e\u0301'),
  textRow('one byte', 'RAW', 'x'),
  textRow('exactly 5,000 bytes of one byte each', 'HDR', 'x'.repeat(5000)),
  textRow('exactly 5,000 bytes of four bytes each', 'HDR', '🎉'.repeat(1250)),
  {
    name: 'a toast of Cyrillic text of exactly 5,000 bytes',
    source: 'HDR',
    notification: { type: 'toast', xml: longToast },
    headers: toastHeaders,
    body: longToast,
  },
  {
    name: 'text of a person, escaped as XML',
    source: 'TRB',
    notification: { type: 'toast', xml: toastXml.replace('Hi', '{{vars.name}}') },
    post: { vars: { name: 'Øle & <Anna> "👋"' } },
    headers: toastHeaders,
    body: toastXml.replace('Hi', 'Øle &amp; &lt;Anna&gt; &quot;👋&quot;'),
  },
  {
    name: 'the variant of a locale',
    source: 'TRB',
    notification: { ...toast, variants: { ru: { xml: toastXml.replace('Hi', 'Привет') } } },
    post: { locale: 'ru-RU' },
    headers: toastHeaders,
    body: toastXml.replace('Hi', 'Привет'),
  },

  pathRow(
    'the sample channel of Microsoft, whose escapes no decoder takes',
    'OVW',
    'https://db3.notify.windows.com/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d',
    'db3.notify.windows.com',
    '/?token=AQE%bU%2fSjZOCvRjjpILow%3d%3d',
  ),
  pathRow(
    'lower-case escapes',
    'TRB',
    'https://wns2-by3p.notify.windows.com/?token=AwYAAAB%2fx%2b%3d',
    'wns2-by3p.notify.windows.com',
    '/?token=AwYAAAB%2fx%2b%3d',
  ),
  pathRow(
    'upper-case escapes',
    'TRB',
    'https://hk2.notify.windows.com/?token=AgUAAA%2F%2B%3D',
    'hk2.notify.windows.com',
    '/?token=AgUAAA%2F%2B%3D',
  ),
  pathRow(
    'a token without escapes, with signs',
    'TRB',
    'https://cloud.notify.windows.com/?token=a+b/c==',
    'cloud.notify.windows.com',
    '/?token=a+b/c==',
  ),
  pathRow(
    'another path',
    'TRB',
    'https://wns2-par02p.notify.windows.com/a/?token=BQYAAA%2b',
    'wns2-par02p.notify.windows.com',
    '/a/?token=BQYAAA%2b',
  ),
  pathRow(
    'an explicit port 443',
    'OVW',
    'https://db5.notify.windows.com:443/?token=A',
    'db5.notify.windows.com',
    '/?token=A',
  ),
  pathRow(
    'a host in capitals',
    'RFC9110',
    'https://DB5.Notify.Windows.com/?token=A',
    'db5.notify.windows.com',
    '/?token=A',
  ),
  pathRow(
    'no path but a query',
    'RFC9112',
    'https://db5.notify.windows.com?token=A',
    'db5.notify.windows.com',
    '/?token=A',
  ),
  pathRow('the domain itself', 'OVW', 'https://notify.windows.com/?token=A', 'notify.windows.com', '/?token=A'),
  pathRow(
    'a path that a URL parser would tidy',
    'TRB',
    'https://db5.notify.windows.com/a/../b//?token=A',
    'db5.notify.windows.com',
    '/a/../b//?token=A',
  ),
  pathRow(
    'a channel of 2,048 characters',
    'HDR-OLD',
    `https://db5.notify.windows.com/?token=${'A'.repeat(2048 - 38)}`,
    'db5.notify.windows.com',
    `/?token=${'A'.repeat(2048 - 38)}`,
  ),
]
