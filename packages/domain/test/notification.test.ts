import { fc, test as property } from '@fast-check/vitest'
import { SaxesParser } from 'saxes'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { lintNotification } from '../src/notification-lint.ts'
import type { Notification } from '../src/notification.ts'
import { notificationSchema } from '../src/notification.ts'
import type { PreparedMessage } from '../src/prepared-message.ts'
import { bodyFor, prepareMessage, variantFor } from '../src/prepared-message.ts'

// The same texts in every run.
fc.configureGlobal({ seed: 1 })

const store = { credentialsKind: 'store' } as const
const entra = { credentialsKind: 'entra' } as const
const toastXml = toastOf('Hi')
const tileXml = '<tile><visual><binding template="TileMedium"><text>Hi</text></binding></visual></tile>'

/** A toast of XML around the content of a text. */
function toastOf(text: string): string {
  return `<toast><visual><binding template="ToastGeneric"><text>${text}</text></binding></visual></toast>`
}

/** The body for a recipient, which must be one that may be sent. */
function textFor(message: PreparedMessage, vars: Record<string, string> = {}, locale?: string): string {
  const rendered = bodyFor(message, vars, locale)
  if (!rendered.ok) throw new Error(`the body is rejected: ${rendered.reason}`)
  return rendered.body.toString()
}

function inputErrorsOf(notification: unknown, context: { credentialsKind: 'store' | 'entra' } = store): string[] {
  return lintNotification(notificationSchema.parse(notification), context).map(
    ({ path, code }) => `${path.join('.')}: ${code}`,
  )
}

function bodyOf(notification: unknown, vars: Record<string, string> = {}, locale?: string): string {
  return textFor(prepareMessage(notificationSchema.parse(notification)), vars, locale)
}

function oneOf(...fields: string[]): unknown {
  return fields.map((field) => ({ required: [field] }))
}
function option(type: string, body: unknown): unknown {
  return expect.objectContaining({
    additionalProperties: false,
    oneOf: body,
    properties: expect.objectContaining({
      type: { type: 'string', const: type },
      ttlSeconds: { type: 'integer', minimum: 1, maximum: 604_800 },
      wnsPriority: expect.objectContaining({ type: 'integer', minimum: 1, maximum: 4 }),
      wnsTag: expect.objectContaining({ type: 'string', pattern: '^[A-Za-z0-9]{1,16}$' }),
    }),
  })
}
function sixTimes(value: unknown): unknown[] {
  return Array.from({ length: 6 }, () => value)
}

describe('the schema of a notification', () => {
  test.for<[string, unknown]>([
    ['no type', { xml: toastXml }],
    ['an unknown type', { type: 'sms', text: 'a' }],
    ['an unknown field', { type: 'raw', text: 'a', foo: 1 }],
    ['the body of another type', { type: 'raw', xml: toastXml }],
    ['the body of another type, on a badge', { type: 'badge', content: { title: 'a' } }],
    ['a field of the wrong type', { type: 'raw', text: 'a', ttlSeconds: '60' }],
    ['an unknown cache policy', { type: 'tile', xml: tileXml, cachePolicy: 'maybe' }],
    ['a toast without title', { type: 'toast', content: { lines: ['a'] } }],
    ['an unknown field in a toast', { type: 'toast', content: { title: 'a', subtitle: 'b' } }],
    ['six buttons', { type: 'toast', content: { title: 'a', buttons: sixTimes({ content: 'a', arguments: 'b' }) } }],
    ['six inputs', { type: 'toast', content: { title: 'a', inputs: sixTimes({ id: 'a', type: 'text' }) } }],
    ['an unknown scenario', { type: 'toast', content: { title: 'a', scenario: 'panic' } }],
    ['an unknown size of tile', { type: 'tile', content: { huge: {} } }],
    ['an unknown style', { type: 'tile', content: { medium: { lines: [{ text: 'a', style: 'comic' }] } } }],
    ['an unknown field in a variant', { type: 'raw', text: 'a', variants: { de: { text: 'b', foo: 1 } } }],
    ['a list', []],
    ['nothing', null],
  ])('rejects %s', ([, notification]) => {
    expect(notificationSchema.safeParse(notification).success).toBe(false)
  })

  test('becomes a JSON schema in which a notification has exactly one body', () => {
    expect(z.toJSONSchema(notificationSchema)).toMatchObject({
      $defs: {
        Notification: {
          oneOf: [
            option('toast', oneOf('xml', 'content')),
            option('tile', oneOf('xml', 'content')),
            option('badge', oneOf('xml', 'value')),
            option('raw', oneOf('text', 'base64')),
          ],
        },
      },
    })
  })
})

function headersOf(notification: unknown): unknown {
  return prepareMessage(notificationSchema.parse(notification)).headers
}
function bytes(count: number): string {
  return 'a'.repeat(count)
}

describe('the lint of a notification', () => {
  test.for<[string, unknown]>([
    ['a toast of XML', { type: 'toast', xml: toastXml }],
    [
      'a toast with every option',
      {
        type: 'toast',
        xml: toastXml,
        ttlSeconds: 604_800,
        wnsTag: 'abcdefgh12345678',
        wnsGroup: 'G1',
        cachePolicy: 'no-cache',
        wnsPriority: 4,
        suppressPopup: true,
        collectionId: 'news.de_1~a-b',
        requestForStatus: true,
      },
    ],
    [
      'a tile',
      { type: 'tile', content: { medium: {} }, wnsTag: 'a', cachePolicy: 'cache', wnsPriority: 1, ttlSeconds: 1 },
    ],
    ['a badge of 0', { type: 'badge', value: 0 }],
    ['the greatest badge', { type: 'badge', value: 2_147_483_647 }],
    ['a badge of digits', { type: 'badge', value: '7' }],
    ['a glyph', { type: 'badge', value: 'newMessage' }],
    ['a badge of each recipient', { type: 'badge', value: '{{vars.unread|0}}' }],
    ['a badge of XML', { type: 'badge', xml: '<badge value="{{vars.unread}}" version="1"/>' }],
    ['raw text', { type: 'raw', text: '{"a": {"b": "😀"}}' }],
    ['raw bytes', { type: 'raw', base64: 'AAECAwQ=' }],
    ['exactly 5000 bytes', { type: 'raw', text: bytes(5000) }],
    ['5000 bytes of two-byte characters', { type: 'raw', text: 'é'.repeat(2500) }],
    ['a long template that is short for each', { type: 'raw', text: `a${'{{vars.a}}'.repeat(1000)}` }],
    ['variants', { type: 'raw', text: 'a', variants: { de: { text: 'b' }, 'zh-Hant-TW': { base64: 'YQ==' } } }],
  ])('finds nothing in %s', ([, notification]) => {
    expect(inputErrorsOf(notification)).toEqual([])
  })

  test.for<[string, unknown, string[]]>([
    ['no body', { type: 'toast' }, [': missing']],
    ['two bodies', { type: 'toast', xml: toastXml, content: { title: 'a' } }, [': one-body']],
    ['a TTL of 0', { type: 'raw', text: 'a', ttlSeconds: 0 }, ['ttlSeconds: wrong-value']],
    ['half a second', { type: 'raw', text: 'a', ttlSeconds: 0.5 }, ['ttlSeconds: wrong-value']],
    ['a TTL above 7 days', { type: 'raw', text: 'a', ttlSeconds: 604_801 }, ['ttlSeconds: wrong-value']],
    ['a negative TTL', { type: 'raw', text: 'a', ttlSeconds: -1 }, ['ttlSeconds: wrong-value']],
    ['priority 0', { type: 'raw', text: 'a', wnsPriority: 0 }, ['wnsPriority: wrong-value']],
    ['priority 5', { type: 'raw', text: 'a', wnsPriority: 5 }, ['wnsPriority: wrong-value']],
    ['an empty tag', { type: 'tile', xml: tileXml, wnsTag: '' }, ['wnsTag: wrong-value']],
    ['17 characters', { type: 'tile', xml: tileXml, wnsTag: bytes(17) }, ['wnsTag: wrong-value']],
    ['a header in a tag', { type: 'tile', xml: tileXml, wnsTag: 'a\r\nB: c' }, ['wnsTag: wrong-value']],
    ['a line feed behind a tag', { type: 'tile', xml: tileXml, wnsTag: 'a\n' }, ['wnsTag: wrong-value']],
    ['an accent', { type: 'toast', xml: toastXml, wnsGroup: 'é' }, ['wnsGroup: wrong-value']],
    ['a space in an id', { type: 'toast', xml: toastXml, collectionId: 'a b' }, ['collectionId: wrong-value']],
    ['a tag on a badge', { type: 'badge', value: 1, wnsTag: 'a' }, ['wnsTag: not-for-this-type']],
    ['a tag on raw', { type: 'raw', text: 'a', wnsTag: 'a' }, ['wnsTag: not-for-this-type']],
    ['a group on a tile', { type: 'tile', xml: tileXml, wnsGroup: 'a' }, ['wnsGroup: not-for-this-type']],
    ['suppressPopup on raw', { type: 'raw', text: 'a', suppressPopup: false }, ['suppressPopup: not-for-this-type']],
    ['a collection on a tile', { type: 'tile', xml: tileXml, collectionId: 'a' }, ['collectionId: not-for-this-type']],
    ['empty text', { type: 'raw', text: '' }, ['text: payload-empty']],
    ['empty bytes', { type: 'raw', base64: '' }, ['base64: payload-empty']],
    ['text that is empty for some', { type: 'raw', text: '{{vars.a}}' }, ['text: payload-empty']],
    ['5001 bytes', { type: 'raw', text: bytes(5001) }, ['text: payload-too-large']],
    ['5002 bytes in 2501 characters', { type: 'raw', text: 'é'.repeat(2501) }, ['text: payload-too-large']],
    [
      '5001 bytes of base64',
      { type: 'raw', base64: Buffer.alloc(5001).toString('base64') },
      ['base64: payload-too-large'],
    ],
    ['a long toast', { type: 'toast', xml: toastOf(bytes(4920)) }, ['xml: payload-too-large']],
    [
      'a toast long by escapes',
      { type: 'toast', content: { title: '&'.repeat(1000) } },
      ['content: payload-too-large'],
    ],
    ['a long fallback', { type: 'raw', text: `{{vars.a|${bytes(5001)}}}` }, ['text: payload-too-large']],
    ['NUL in text', { type: 'raw', text: 'a\0b' }, ['text: raw-nul']],
    ['half a surrogate pair', { type: 'raw', text: '\uD83D' }, ['text: raw-surrogate']],
    ['base64url', { type: 'raw', base64: '_-8=' }, ['base64: base64']],
    ['base64 without padding', { type: 'raw', base64: 'YQ' }, ['base64: base64']],
    ['base64 in lines', { type: 'raw', base64: 'YW\nFh' }, ['base64: base64']],
    ['base64 with bits to spare', { type: 'raw', base64: 'YR==' }, ['base64: base64']],
    ['a badge of -1', { type: 'badge', value: -1 }, ['value: badge-value']],
    ['a badge of 1.5', { type: 'badge', value: 1.5 }, ['value: badge-value']],
    ['a badge of 2^31', { type: 'badge', value: 2_147_483_648 }, ['value: badge-value']],
    ['a badge of 007', { type: 'badge', value: '007' }, ['value: badge-value']],
    ['a glyph in another case', { type: 'badge', value: 'Alert' }, ['value: badge-value']],
    ['a glyph that is a property', { type: 'badge', value: 'constructor' }, ['value: badge-value']],
    ['text around a badge', { type: 'badge', value: '{{vars.a}}0' }, ['value: badge-value']],
    ['a badge with a bad fallback', { type: 'badge', value: '{{vars.a|many}}' }, ['value: badge-value']],
    ['XML with another root', { type: 'toast', xml: '<tile/>' }, ['xml: xml-root']],
    ['XML that is not', { type: 'tile', xml: '<tile>' }, ['xml: xml-malformed']],
    ['XML with entities', { type: 'tile', xml: '<!DOCTYPE tile><tile/>' }, ['xml: xml-doctype']],
    [
      'a placeholder that does not end',
      { type: 'toast', xml: '<toast>{{vars.a</toast>' },
      ['xml: placeholder-unclosed'],
    ],
    [
      'a misspelled placeholder',
      { type: 'toast', content: { title: '{{name}}' } },
      ['content.title: placeholder-name'],
    ],
    [
      'a placeholder in a comment',
      { type: 'toast', xml: '<toast><!--{{vars.a}}--></toast>' },
      ['xml: placeholder-position'],
    ],
    ['a placeholder before >', { type: 'toast', xml: toastOf('{{vars.a}}>') }, ['xml: placeholder-position']],
    ['a placeholder before ]>', { type: 'toast', xml: toastOf('{{vars.a}}]>') }, ['xml: placeholder-position']],
    [
      'a placeholder for an attribute',
      { type: 'toast', xml: '<toast a={{vars.a}}/>' },
      ['xml: xml-malformed', 'xml: xml-malformed'],
    ],
    [
      'a control character',
      { type: 'toast', content: { title: 'a', lines: ['b', '\u0001'] } },
      ['content.lines.1: xml-illegal-character'],
    ],
    ['no binding', { type: 'tile', content: { branding: 'logo' } }, ['content: missing']],
    [
      'an unknown input',
      { type: 'toast', content: { title: 'a', buttons: [{ content: 'b', arguments: 'c', inputId: 'd' }] } },
      ['content.buttons.0.inputId: unknown-id'],
    ],
    [
      'inputs that contradict themselves',
      {
        type: 'toast',
        content: {
          title: 'a',
          inputs: [
            { id: 'a', type: 'text', selections: [{ id: 'x', content: 'X' }] },
            { id: 'a', type: 'selection', placeholder: 'p' },
            {
              id: 'c',
              type: 'selection',
              defaultValue: 'z',
              selections: [
                { id: 'x', content: 'X' },
                { id: 'x', content: 'Y' },
              ],
            },
          ],
        },
      },
      [
        'content.inputs.0.selections: not-for-this-type',
        'content.inputs.1.id: duplicate-id',
        'content.inputs.1.selections: missing',
        'content.inputs.1.placeholder: not-for-this-type',
        'content.inputs.2.selections.1.id: duplicate-id',
        'content.inputs.2.defaultValue: unknown-id',
      ],
    ],
    [
      'a locale that is none',
      { type: 'raw', text: 'a', variants: { 'de DE': { text: 'b' } } },
      ['variants.de DE: locale'],
    ],
    [
      'a locale that Intl rejects',
      { type: 'raw', text: 'a', variants: { 'de-a': { text: 'b' } } },
      ['variants.de-a: locale'],
    ],
    [
      'the same locale twice',
      { type: 'raw', text: 'a', variants: { 'en-us': { text: 'b' }, 'en-US': { text: 'c' } } },
      ['variants.en-US: duplicate-locale'],
    ],
    ['an empty variant', { type: 'raw', text: 'a', variants: { de: {} } }, ['variants.de: missing']],
    [
      'a bad variant',
      { type: 'toast', xml: toastXml, variants: { de: { xml: '<tile/>' } } },
      ['variants.de.xml: xml-root'],
    ],
  ])('finds %s', ([, notification, expected]) => {
    expect(inputErrorsOf(notification)).toEqual(expected)
  })

  test('accepts only toast and raw from Entra apps', () => {
    expect(inputErrorsOf({ type: 'toast', xml: toastXml }, entra)).toEqual([])
    expect(inputErrorsOf({ type: 'raw', text: 'a' }, entra)).toEqual([])
    expect(inputErrorsOf({ type: 'tile', xml: tileXml }, entra)).toEqual(['type: type-not-supported'])
    expect(inputErrorsOf({ type: 'badge', value: 1 }, entra)).toEqual(['type: type-not-supported'])
  })

  test('reports all errors at once', () => {
    const notification = {
      type: 'badge',
      value: 'foo',
      xml: '<a/>',
      wnsTag: 'é',
      wnsGroup: 'g',
      collectionId: ' ',
      suppressPopup: true,
      ttlSeconds: 0,
      wnsPriority: 9,
      variants: { x_: {}, de: { value: 'bar' } },
    }
    expect(inputErrorsOf(notification, entra)).toEqual([
      'type: type-not-supported',
      'wnsTag: not-for-this-type',
      'wnsGroup: not-for-this-type',
      'suppressPopup: not-for-this-type',
      'collectionId: not-for-this-type',
      'ttlSeconds: wrong-value',
      'wnsPriority: wrong-value',
      'wnsTag: wrong-value',
      'collectionId: wrong-value',
      'xml: xml-root',
      'value: badge-value',
      ': one-body',
      'variants.x_: locale',
      'variants.x_: missing',
      'variants.de.value: badge-value',
    ])
  })

  test('rejects more than 100 variants', () => {
    const letters = 'abcdefghijklmnopqrstuvwxyz'.split('')
    const locales = letters.flatMap((a) => letters.map((b) => `${a}${b}`)).slice(0, 101)
    const variants = Object.fromEntries(locales.map((locale) => [locale, { text: 'a' }]))
    expect(inputErrorsOf({ type: 'raw', text: 'a', variants })).toContain('variants: out-of-range')
  })
})

describe('a prepared message', () => {
  test('has the headers that are the same for all recipients', () => {
    const message = prepareMessage(
      notificationSchema.parse({
        type: 'toast',
        xml: toastXml,
        ttlSeconds: 60,
        wnsTag: 'T1',
        wnsGroup: 'G1',
        cachePolicy: 'no-cache',
        wnsPriority: 2,
        suppressPopup: false,
        collectionId: 'news',
        requestForStatus: true,
      }),
    )
    expect(message.headers).toEqual({
      'X-WNS-Type': 'wns/toast',
      'X-WNS-Cache-Policy': 'no-cache',
      'X-WNS-RequestForStatus': 'true',
      'X-WNS-Tag': 'T1',
      'X-WNS-Group': 'G1',
      'X-WNS-SuppressPopup': 'false',
      'X-WNS-PRIORITY': '2',
      'X-WNS-CollectionId': 'news',
    })
    expect(message).toMatchObject({ type: 'toast', contentType: 'text/xml', context: 'xml', ttlSeconds: 60 })
    expect(message).toMatchObject({ body: Buffer.from(toastXml), template: null, isPersonalized: false })
  })

  test('requests the status of the device for raw by default', () => {
    expect(headersOf({ type: 'raw', text: 'a' })).toEqual({ 'X-WNS-Type': 'wns/raw', 'X-WNS-RequestForStatus': 'true' })
    expect(headersOf({ type: 'raw', text: 'a', requestForStatus: false })).toEqual({ 'X-WNS-Type': 'wns/raw' })
    expect(headersOf({ type: 'badge', value: 1 })).toEqual({ 'X-WNS-Type': 'wns/badge' })
  })

  test('sends the bytes of a raw notification unchanged', () => {
    const message = prepareMessage({ type: 'raw', base64: '/wD+' })
    expect(message.contentType).toBe('application/octet-stream')
    expect(bodyFor(message)).toEqual({ ok: true, body: Buffer.from([0xff, 0x00, 0xfe]) })
  })

  test('is never made from a notification with errors', () => {
    expect(() => prepareMessage({ type: 'toast', xml: '<tile/>' })).toThrow('xml-root')
    expect(() => prepareMessage({ type: 'tile', xml: tileXml, wnsTag: 'a\r\nB: c' })).toThrow(RangeError)
  })

  test('writes a whole toast', () => {
    const content = {
      title: 'Hi {{vars.name|you & me}} <b>',
      lines: ['two'],
      image: { src: 'https://example.com/a?b=1&c=2', placement: 'hero', alt: '"a"', crop: 'circle' },
      launch: 'id={{vars.id}}',
      inputs: [
        { id: 'reply', type: 'text', title: 'T', placeholder: 'P', defaultValue: 'D' },
        { id: 'when', type: 'selection', defaultValue: '1', selections: [{ id: '1', content: 'now' }] },
      ],
      buttons: [
        { content: 'Send', arguments: 'a=1', activationType: 'background', imageUri: 'i.png', inputId: 'reply' },
        { content: 'No', arguments: '' },
      ],
      audio: { src: 'ms-winsoundevent:Notification.Reminder', loop: true, silent: false },
      scenario: 'reminder',
      duration: 'long',
      displayTimestamp: '2026-01-31T09:30:00Z',
    }
    expect(inputErrorsOf({ type: 'toast', content })).toEqual([])
    expect(bodyOf({ type: 'toast', content }, { name: '<Ann>', id: '"7"' })).toBe(
      '<toast launch="id=&quot;7&quot;" duration="long" displayTimestamp="2026-01-31T09:30:00Z" scenario="reminder">' +
        '<visual><binding template="ToastGeneric"><text>Hi &lt;Ann&gt; &lt;b&gt;</text><text>two</text>' +
        '<image placement="hero" src="https://example.com/a?b=1&amp;c=2" alt="&quot;a&quot;" hint-crop="circle"/>' +
        '</binding></visual><actions>' +
        '<input id="reply" type="text" title="T" placeHolderContent="P" defaultInput="D"/>' +
        '<input id="when" type="selection" defaultInput="1"><selection id="1" content="now"/></input>' +
        '<action content="Send" arguments="a=1" activationType="background" imageUri="i.png" hint-inputId="reply"/>' +
        '<action content="No" arguments=""/></actions>' +
        '<audio src="ms-winsoundevent:Notification.Reminder" loop="true" silent="false"/></toast>',
    )
    expect(bodyOf({ type: 'toast', content })).toContain('<text>Hi you &amp; me &lt;b&gt;</text>')
  })

  test('writes a whole tile and a badge', () => {
    const content = {
      small: { image: 'a.png' },
      medium: {
        lines: ['one', { text: 'two', style: 'captionSubtle', wrap: true }],
        backgroundImage: { src: 'b.png', crop: 'none' },
      },
      wide: {},
      branding: 'nameAndLogo',
      displayName: 'A & B',
    }
    expect(inputErrorsOf({ type: 'tile', content })).toEqual([])
    expect(bodyOf({ type: 'tile', content })).toBe(
      '<tile><visual branding="nameAndLogo" displayName="A &amp; B">' +
        '<binding template="TileSmall"><image src="a.png"/></binding>' +
        '<binding template="TileMedium"><image placement="background" src="b.png" hint-crop="none"/><text>one</text>' +
        '<text hint-style="captionSubtle" hint-wrap="true">two</text></binding>' +
        '<binding template="TileWide"/></visual></tile>',
    )
    expect(bodyOf({ type: 'badge', value: 7 })).toBe('<badge value="7"/>')
    expect(bodyOf({ type: 'badge', value: '{{vars.n|0}}' }, { n: '3' })).toBe('<badge value="3"/>')
  })

  test('writes columns, a progress bar, a header and images by their placement', () => {
    const content = {
      title: 'Download',
      attribution: 'via Store',
      images: [{ src: 'logo.png', placement: 'appLogoOverride', crop: 'circle' }, { src: 'a.png' }],
      groups: [
        [
          { weight: 1, textStacking: 'center', lines: [{ text: 'Mon', style: 'base', align: 'center' }] },
          { image: { src: 'sun.png', removeMargin: true }, lines: ['{{vars.high|?}}°'] },
        ],
      ],
      progress: { title: 'File', value: 0.25, valueText: '1 of 4', status: 'Loading' },
      header: { id: 'files', title: 'Files', arguments: 'show=files' },
      launch: 'https://example.com',
      activationType: 'protocol',
    }
    expect(inputErrorsOf({ type: 'toast', content })).toEqual([])
    expect(bodyOf({ type: 'toast', content }, { high: '7' })).toBe(
      '<toast launch="https://example.com" activationType="protocol">' +
        '<header id="files" title="Files" arguments="show=files"/>' +
        '<visual><binding template="ToastGeneric"><text>Download</text><text placement="attribution">via Store</text>' +
        '<image placement="appLogoOverride" src="logo.png" hint-crop="circle"/><image src="a.png"/>' +
        '<group><subgroup hint-weight="1" hint-textStacking="center">' +
        '<text hint-style="base" hint-align="center">Mon</text></subgroup>' +
        '<subgroup><image src="sun.png" hint-removeMargin="true"/><text>7°</text></subgroup></group>' +
        '<progress title="File" value="0.25" valueStringOverride="1 of 4" status="Loading"/>' +
        '</binding></visual></toast>',
    )
    const wrong = {
      title: 'x',
      images: [
        { src: 'a.png', placement: 'hero' },
        { src: 'b.png', placement: 'hero' },
      ],
      progress: { value: 'much', status: '' },
    }
    expect(inputErrorsOf({ type: 'toast', content: wrong })).toEqual([
      'content.images.1.placement: duplicate-placement',
      'content.progress.value: wrong-value',
    ])
  })

  test('writes the peek image, the overlay and the columns of a tile', () => {
    const medium = {
      lines: ['Berlin'],
      peekImage: { src: 'peek.png', overlay: 20 },
      backgroundImage: { src: 'sky.png', overlay: 60 },
      textStacking: 'center',
      groups: [[{ lines: ['7°'] }]],
    }
    expect(inputErrorsOf({ type: 'tile', content: { medium } })).toEqual([])
    expect(bodyOf({ type: 'tile', content: { medium } })).toBe(
      '<tile><visual><binding template="TileMedium" hint-textStacking="center">' +
        '<image placement="peek" src="peek.png" hint-overlay="20"/>' +
        '<image placement="background" src="sky.png" hint-overlay="60"/><text>Berlin</text>' +
        '<group><subgroup><text>7°</text></subgroup></group></binding></visual></tile>',
    )
    const wrong = { medium: { image: { src: 'a.png', overlay: 10 } } }
    expect(inputErrorsOf({ type: 'tile', content: wrong })).toEqual([
      'content.medium.image.overlay: not-for-this-place',
    ])
  })

  test('has the variant that is closest to the locale of a recipient', () => {
    const notification = {
      type: 'raw',
      text: 'default',
      variants: { de: { text: 'de {{vars.n}}' }, 'en-GB': { text: 'en-GB' }, 'zh-Hant': { text: 'zh-Hant' } },
    }
    const of = (locale?: string): string => bodyOf(notification, { n: '1' }, locale)
    expect(of()).toBe('default')
    expect(of('fr')).toBe('default')
    expect(of('de')).toBe('de 1')
    expect(of('DE-at-1996')).toBe('de 1')
    expect(of('en-gb')).toBe('en-GB')
    expect(of('en-US')).toBe('default')
    expect(of('zh-Hant-x-a')).toBe('zh-Hant')
    expect(of('')).toBe('default')
    expect(of('-')).toBe('default')
    const message = prepareMessage(notificationSchema.parse(notification))
    expect(message.isPersonalized).toBe(true)
    expect(message.body).not.toBeNull()
    expect(variantFor(message, 'de-AT')).toBe(message.variants.get('de'))
    expect(variantFor(message, 'constructor')).toBe(message)
  })
})

/** Elements and attribute names of a document, without texts; throws if it is not well-formed. */
function structureOf(document: string): string {
  let structure = ''
  const parser = new SaxesParser()
  parser.on('opentag', ({ name, attributes }) => {
    structure += `<${name} ${Object.keys(attributes).join(' ')}>`
  })
  parser.on('closetag', ({ name }) => {
    structure += `</${name}>`
  })
  parser.on('comment', () => {
    structure += '<!---->'
  })
  parser.write(document).close()
  return structure
}

function textOf(document: string): string {
  let text = ''
  const parser = new SaxesParser()
  parser.on('text', (more) => {
    text += more
  })
  parser.write(document).close()
  return text
}

// About half of these texts pass the lint, so that the documents built from them are checked; the rest must fail it.
const legalMarkup =
  '< > & " \' ]]> ] ]] <!-- --> <![CDATA[ <?xml </text> <b/> &lt; &#0; {{vars.a}} {{vars.b|<x>}} {{vars.c|]]}} { } \n \r \t = /> a é'
    .split(' ')
    .concat(' ')
const illegalMarkup = ['{{', '{{x}}', '\u0001', '\uD800', '\0', '\uFFFF']
function joined(pieces: string[]): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''))
}
const legalText = joined(legalMarkup).filter((text) => !/\{\{(?!vars\.)|\{\{\{/.test(text))
const hostileText = fc.oneof(
  { weight: 20, arbitrary: legalText },
  { weight: 1, arbitrary: joined([...legalMarkup, ...illegalMarkup]) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 30 }) },
)
const hostileValue = fc.oneof(joined([...legalMarkup, ...illegalMarkup]), fc.string({ unit: 'binary', maxLength: 30 }))
const hostileVars = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'x'), hostileValue)

function optional<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(arbitrary, { nil: undefined })
}
function present<T extends object>(record: T): T {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only absent fields are dropped
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as T
}
const name = fc.oneof(
  fc.constantFrom('a', 'b'),
  hostileText.filter((text) => text !== ''),
)
const toastContent = fc
  .record({
    title: hostileText.filter((text) => text !== ''),
    lines: optional(fc.array(hostileText, { maxLength: 3 })),
    image: optional(name),
    launch: optional(hostileText),
    buttons: optional(
      fc.array(fc.record({ content: hostileText, arguments: hostileText, inputId: optional(name) }).map(present), {
        maxLength: 3,
      }),
    ),
    inputs: optional(
      fc.array(
        fc
          .record({
            id: name,
            type: fc.constantFrom('text' as const, 'selection' as const),
            title: optional(hostileText),
            placeholder: optional(hostileText),
            defaultValue: optional(hostileText),
            selections: optional(
              fc.array(fc.record({ id: name, content: hostileText }), { minLength: 1, maxLength: 3 }),
            ),
          })
          .map(present),
        { maxLength: 3 },
      ),
    ),
    scenario: optional(fc.constantFrom('reminder' as const, 'urgent' as const)),
  })
  .map(present)
const tileContent = fc
  .record({
    small: optional(fc.record({ image: optional(name) }).map(present)),
    medium: optional(fc.record({ lines: optional(fc.array(hostileText, { maxLength: 3 })) }).map(present)),
    displayName: optional(hostileText),
  })
  .map(present)

function attributesOf(fields: Record<string, unknown>): string {
  return Object.keys(fields)
    .filter((field) => fields[field] !== undefined)
    .join(' ')
}

describe('a built document', () => {
  property.prop([toastContent, hostileVars], { numRuns: 500 })(
    'of a toast has the structure of its fields, whatever texts and values it has',
    (content, vars) => {
      const notification: Notification = { type: 'toast', content }
      fc.pre(lintNotification(notification, store).length === 0)
      const { lines = [], image, launch, buttons = [], inputs = [], scenario } = content
      const expected = [
        `<toast ${attributesOf({ launch, scenario })}><visual ><binding template>`,
        '<text ></text>'.repeat(1 + lines.length),
        image === undefined ? '' : '<image src></image>',
        '</binding></visual>',
        buttons.length + inputs.length > 0 ? '<actions >' : '',
        ...inputs.map(({ title, placeholder, defaultValue, selections = [] }) => {
          const given = attributesOf({
            id: '',
            type: '',
            title,
            placeHolderContent: placeholder,
            defaultInput: defaultValue,
          })
          return `<input ${given}>${'<selection id content></selection>'.repeat(selections.length)}</input>`
        }),
        ...buttons.map(
          ({ inputId }) => `<action ${attributesOf({ content: '', arguments: '', 'hint-inputId': inputId })}></action>`,
        ),
        buttons.length + inputs.length > 0 ? '</actions>' : '',
        '</toast>',
      ].join('')
      const message = prepareMessage(notification)
      for (const rendered of [bodyFor(message), bodyFor(message, vars)]) {
        if (rendered.ok) expect(structureOf(rendered.body.toString())).toBe(expected)
        else expect(rendered.reason).toBe('invalid-content')
      }
    },
  )

  property.prop([hostileText, hostileText, hostileVars], { numRuns: 500 })(
    'of a tile has one element for each line, and reads as it was written',
    (first, second, vars) => {
      const notification: Notification = {
        type: 'tile',
        content: { medium: { lines: [first, { text: second, wrap: true }] }, displayName: first },
      }
      fc.pre(lintNotification(notification, store).length === 0)
      const document = textFor(prepareMessage(notification), vars)
      expect(structureOf(document)).toBe(
        '<tile ><visual displayName><binding template><text ></text><text hint-wrap></text></binding></visual></tile>',
      )
      const written = [first, second].map((text) => bodyOf({ type: 'raw', text: `:${text}` }, vars).slice(1)).join('')
      // oxlint-disable-next-line no-control-regex -- XML cannot contain control characters
      expect(textOf(document)).toBe(written.replace(/[\0-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD'))
    },
  )

  const inside = joined('{{vars.a}} {{vars.b|]]}} {{vars.c|x_y}} ]] ] > &gt; &amp; & ; - a \n'.split(' '))
  const xmlPiece = fc.oneof(
    { weight: 4, arbitrary: inside },
    { weight: 1, arbitrary: inside.map((text) => `<!--${text}-->`) },
    { weight: 1, arbitrary: inside.map((text) => `<![CDATA[${text}]]>`) },
    { weight: 1, arbitrary: fc.tuple(inside, inside).map(([name_, text]) => `<a${name_}>${text}</a${name_}>`) },
    { weight: 1, arbitrary: joined('< > " \' = / ! ? # [ ] {{vars.a}} a &'.split(' ')) },
  )
  property.prop([inside, inside, fc.array(xmlPiece, { maxLength: 4 }), hostileVars], { numRuns: 1000 })(
    'that passed the lint as XML stays well-formed and keeps its structure for any values',
    (launch, lang, pieces, vars) => {
      const texts = `<text>Hi</text><text a="${launch}" b='${lang}'>${pieces.join('')}</text>`
      const binding = `<binding template="ToastGeneric">${texts}</binding>`
      const notification: Notification = {
        type: 'toast',
        xml: `<toast launch="${launch}"><visual>${binding}</visual></toast>`,
      }
      fc.pre(lintNotification(notification, store).length === 0)
      const message = prepareMessage(notification)
      const structure = structureOf(textFor(message, { a: 'x', b: 'x', c: 'x' }))
      expect(structureOf(textFor(message, vars))).toBe(structure)
      expect(structureOf(textFor(message))).toBe(structure)
    },
  )
})

const anyNumber = fc.oneof(fc.integer({ min: -2, max: 10 }), fc.double({ noNaN: true, noDefaultInfinity: true }))
const anyOptions = fc
  .record({
    ttlSeconds: optional(anyNumber),
    wnsTag: optional(fc.oneof(fc.stringMatching(/^[A-Za-z0-9]{1,18}$/), hostileText)),
    wnsGroup: optional(fc.oneof(fc.stringMatching(/^[A-Za-z0-9]{1,16}$/), hostileText)),
    cachePolicy: optional(fc.constantFrom('cache', 'no-cache')),
    wnsPriority: optional(anyNumber),
    suppressPopup: optional(fc.boolean()),
    collectionId: optional(fc.oneof(fc.constantFrom('news', 'a.b'), hostileText)),
    requestForStatus: optional(fc.boolean()),
  })
  .map(present)
const anyXml = fc.oneof(fc.constantFrom(toastXml, tileXml, '<badge value="1"/>'), hostileText)
const toastBody = fc.record({ xml: optional(anyXml), content: optional(toastContent) }).map(present)
const tileBody = fc.record({ xml: optional(anyXml), content: optional(tileContent) }).map(present)
const badgeBody = fc.record({ xml: optional(anyXml), value: optional(fc.oneof(anyNumber, hostileText)) }).map(present)
const rawBody = fc
  .record({ text: optional(hostileText), base64: optional(fc.oneof(fc.base64String(), hostileText)) })
  .map(present)
const localeName = fc.oneof(fc.constantFrom('de', 'en-US', 'en-us', 'de-a'), fc.string())
function anyOf(type: string, body: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  return fc
    .record({ type: fc.constant(type), variants: optional(fc.dictionary(localeName, body, { maxKeys: 3 })) })
    .chain((base) => fc.tuple(body, anyOptions).map(([fields, given]) => present({ ...base, ...fields, ...given })))
}
const anyNotification = fc.oneof(
  anyOf('toast', toastBody),
  anyOf('tile', tileBody),
  anyOf('badge', badgeBody),
  anyOf('raw', rawBody),
)

describe('any notification of the schema', () => {
  property.prop([anyNotification, hostileVars, fc.string()], { numRuns: 1000 })(
    'is linted without an exception, and has printable headers when the lint finds no error',
    (input, vars, locale) => {
      const parsed = notificationSchema.safeParse(input)
      if (!parsed.success) return
      const errors = lintNotification(parsed.data, store)
      for (const { code, detail } of errors) {
        expect(code).toMatch(/^[a-z0-9-]+$/)
        expect(detail.length).toBeGreaterThan(0)
      }
      if (errors.length > 0) {
        // Sending a notification despite its errors never produces a broken header.
        try {
          expectPrintable(prepareMessage(parsed.data).headers)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
        return
      }
      const message = prepareMessage(parsed.data)
      expectPrintable(message.headers)
      for (const rendered of [bodyFor(message), bodyFor(message, vars, locale)]) {
        if (rendered.ok) expect(rendered.body.length).toBeLessThanOrEqual(5000)
        else expect(rendered.reason).toMatch(/^(?:too-large|invalid-content)$/)
      }
    },
  )
})

function expectPrintable(headers: Readonly<Record<string, string>>): void {
  for (const [header, value] of Object.entries(headers)) {
    expect(header).toMatch(/^X-WNS-[A-Za-z-]+$/)
    expect(value).toMatch(/^[\x21-\x7E]+$/)
  }
}
