import { describe, expect, test } from 'vitest'
import { lintNotification, warningsOf } from '../src/notification-lint.ts'
import { notificationSchema } from '../src/notification.ts'
import type { InputError } from '../src/problem.ts'
import { legacyTileTemplates } from '../src/tile-templates.ts'

const store = { credentialsKind: 'store' } as const

function errorsOf(type: string, xml: string): string[] {
  return lintNotification(notificationSchema.parse({ type, xml }), store).map(withoutPlace)
}

function oddities(type: string, xml: string): string[] {
  return warningsOf(notificationSchema.parse({ type, xml })).map(withoutPlace)
}

function withoutPlace({ code, detail }: InputError): string {
  return `${code}: ${detail.replace(/^line \d+, column \d+: /, '')}`
}

function toast(inside: string, attributes = ''): string {
  return `<toast${attributes}><visual><binding template="ToastGeneric"><text>Hi</text></binding></visual>${inside}</toast>`
}

function binding(inside: string, attributes = 'template="ToastGeneric"'): string {
  return `<toast><visual><binding ${attributes}>${inside}</binding></visual></toast>`
}

function tile(inside: string, attributes = 'template="TileMedium"'): string {
  return `<tile><visual><binding ${attributes}>${inside}</binding></visual></tile>`
}

function times(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => text(index)).join('')
}

function button(index: number): string {
  return `<action content="${index}" arguments="a=${index}"/>`
}

function menuItem(index: number): string {
  return `<action content="${index}" arguments="m" placement="contextMenu"/>`
}

function input(index: number): string {
  return `<input id="i${index}" type="text"/>`
}

function selections(count: number): string {
  return times(count, (index) => `<selection id="s${index}" content="${index}"/>`)
}

const UNKNOWN_TOAST_TEMPLATE =
  'xml-template: there is no such template for a toast; write ToastGeneric; others are ToastText01, ToastText02, ' +
  'ToastText03, ToastText04, ToastImageAndText01, ToastImageAndText02, ToastImageAndText03, ToastImageAndText04'

describe('a toast of XML', () => {
  test.for<[string, string]>([
    ['the least', binding('<text>Hi</text>')],
    ['a placeholder as its only text', binding('<text>{{vars.a|you}}</text>')],
    ['an image alone', binding('<image src="https://example.com/a.png"/>')],
    ['a progress bar', binding('<text>a</text><progress value="0.5" status="Loading"/>')],
    [
      'data bindings of the app',
      binding('<text>{title}</text><progress value="{value}" status="{status}" title="{t}"/>'),
    ],
    [
      'groups',
      binding('<text>a</text><group><subgroup hint-weight="1"><text hint-style="base">b</text></subgroup></group>'),
    ],
    ['an attribution', binding('<text>a</text><text placement="attribution">Via SMS</text>')],
    ['five actions', toast(`<actions>${times(5, button)}</actions>`)],
    ['three actions and two menu items', toast(`<actions>${times(3, button)}${times(2, menuItem)}</actions>`)],
    ['five inputs before actions', toast(`<actions>${times(5, input)}${times(5, button)}</actions>`)],
    [
      'a quick reply',
      toast(
        '<actions><input id="t" type="text" placeHolderContent="p"/>' +
          '<action content="Send" arguments="" hint-inputId="t"/></actions>',
      ),
    ],
    [
      'a snooze',
      toast(
        `<actions><input id="s" type="selection" defaultInput="s0">${selections(5)}</input>` +
          '<action activationType="system" arguments="snooze" hint-inputId="s" content=""/></actions>',
        ' scenario="reminder"',
      ),
    ],
    ['a header', toast('<header id="1" title="Camping" arguments="a"/>')],
    ['a sound', toast('<audio src="ms-winsoundevent:Notification.Looping.Alarm10" loop="true"/>', ' duration="long"')],
    ['no sound', toast('<audio silent="true"/>')],
    [
      'every attribute',
      toast(
        '',
        ' launch="a=1&amp;b=2" duration="short" displayTimestamp="2026-01-31T09:30:00Z"' +
          ' scenario="urgent" useButtonStyle="true"',
      ),
    ],
    [
      'a namespace',
      '<toast xmlns="u"><visual lang="en-US" baseUri="ms-appx:///"><binding template="ToastGeneric">' +
        '<text xml:lang="de">a</text></binding></visual></toast>',
    ],
    [
      'a declaration, comments and line breaks',
      `<?xml version="1.0"?>\n<!-- a -->\n${binding('\n  <text>\n a </text>\n')}\n`,
    ],
    ['ToastText01', binding('<text id="1">a</text>', 'template="ToastText01"')],
    [
      'ToastText04',
      binding(
        times(3, (n) => `<text id="${n + 1}">a</text>`),
        'template="ToastText04"',
      ),
    ],
    [
      'ToastImageAndText02',
      binding(
        '<image id="1" src="a.png"/><text id="1">a</text><text id="2">b</text>',
        'template="ToastImageAndText02"',
      ),
    ],
  ])('passes: %s', ([, xml]) => {
    expect(errorsOf('toast', xml)).toEqual([])
    expect(oddities('toast', xml)).toEqual([])
  })

  test.for<[string, string, string]>([
    ['nothing in it', '<toast/>', 'xml-nothing-shown: <toast> needs a <visual> with a <binding>'],
    [
      'an empty visual',
      '<toast><visual/></toast>',
      'xml-nothing-shown: <visual> needs a <binding template="ToastGeneric">',
    ],
    ['an empty binding', binding(''), 'xml-nothing-shown: <binding> shows nothing; give it a <text> that is not empty'],
    [
      'an empty text',
      binding('<text/>'),
      'xml-nothing-shown: <binding> shows nothing; give it a <text> that is not empty',
    ],
    [
      'a blank text',
      binding('<text> \n </text>'),
      'xml-nothing-shown: <binding> shows nothing; give it a <text> that is not empty',
    ],
    [
      'text outside a binding',
      '<toast>Hi</toast>',
      'xml-text-position: text directly inside <toast> is not shown; put it into <text>',
    ],
    [
      'text inside a binding',
      binding('<text>a</text>b'),
      'xml-text-position: text directly inside <binding> is not shown; put it into <text>',
    ],
    [
      'a text element outside a binding',
      toast('<text>a</text>'),
      'xml-element: <text> does not belong into <toast>, but into <binding> or <subgroup>',
    ],
    [
      'an unknown element',
      toast('<button/>'),
      'xml-element: Windows does not know <button> and shows nothing of it; remove it',
    ],
    [
      'an element in another case',
      binding('<Text>a</Text>'),
      'xml-element: Windows does not know <Text> and shows nothing of it; write <text>',
    ],
    [
      'a binding without a template',
      binding('<text>a</text>', ''),
      'xml-attribute-missing: <binding> needs the attribute template',
    ],
    ['an unknown template', binding('<text>a</text>', 'template="ToastText05"'), UNKNOWN_TOAST_TEMPLATE],
    [
      'a template in another case',
      binding('<text>a</text>', 'template="toastgeneric"'),
      'xml-template: there is no such template for a toast; write ToastGeneric',
    ],
    ['a template of tiles', binding('<text>a</text>', 'template="TileMedium"'), UNKNOWN_TOAST_TEMPLATE],
    [
      'a template that differs',
      binding('<text>a</text>', 'template="{{vars.a|ToastGeneric}}"'),
      UNKNOWN_TOAST_TEMPLATE,
    ],
    [
      'six actions',
      toast(`<actions>${times(6, button)}</actions>`),
      'xml-too-many: a toast has at most 5 actions, context menu items included; found 6',
    ],
    [
      'five actions and a menu item',
      toast(`<actions>${times(5, button)}${menuItem(1)}</actions>`),
      'xml-too-many: a toast has at most 5 actions, context menu items included; found 6',
    ],
    [
      'six inputs',
      toast(`<actions>${times(6, input)}</actions>`),
      'xml-too-many: a toast has at most 5 inputs; found 6',
    ],
    [
      'an input behind an action',
      toast(`<actions>${button(1)}${input(1)}</actions>`),
      'xml-order: every <input> must stand before the first <action>',
    ],
    [
      'an action without arguments',
      toast('<actions><action content="a"/></actions>'),
      'xml-attribute-missing: <action> needs the attribute arguments',
    ],
    [
      'an action outside actions',
      toast(button(1)),
      'xml-element: <action> does not belong into <toast>, but into <actions>',
    ],
    [
      'an input without id',
      toast('<actions><input type="text"/></actions>'),
      'xml-attribute-missing: <input> needs the attribute id',
    ],
    [
      'two inputs with one id',
      toast(`<actions>${input(1)}${input(1)}</actions>`),
      'xml-duplicate-id: another <input> has this id',
    ],
    [
      'a selection of nothing',
      toast('<actions><input id="a" type="selection"/></actions>'),
      'xml-element-missing: an input with type="selection" needs 1 to 5 selections',
    ],
    [
      'six selections',
      toast(`<actions><input id="a" type="selection">${selections(6)}</input></actions>`),
      'xml-too-many: an input has at most 5 selections; found 6',
    ],
    [
      'an unknown default',
      toast(`<actions><input id="a" type="selection" defaultInput="x">${selections(1)}</input></actions>`),
      'xml-unknown-id: defaultInput must be the id of a selection of this input',
    ],
    [
      'an unknown input',
      toast('<actions><action content="a" arguments="b" hint-inputId="c"/></actions>'),
      'xml-unknown-id: hint-inputId must be the id of an <input>',
    ],
    [
      'an unknown scenario',
      toast('', ' scenario="panic"'),
      'xml-attribute-value: scenario of <toast> must be one of default, reminder, alarm, incomingCall, urgent',
    ],
    [
      'an unknown duration',
      toast('', ' duration="10s"'),
      'xml-attribute-value: duration of <toast> must be one of short, long',
    ],
    [
      'a time that is none',
      toast('', ' displayTimestamp="yesterday"'),
      'xml-attribute-value: displayTimestamp of <toast> must be an ISO 8601 time such as 2026-01-31T09:30:00Z',
    ],
    [
      'an image without a source',
      binding('<text>a</text><image/>'),
      'xml-attribute-missing: <image> needs the attribute src',
    ],
    [
      'an image of another scheme',
      binding('<text>a</text><image src="javascript:1"/>'),
      'xml-attribute-value: src of <image> must be a URI with http, https, ms-appx, ms-appdata, ms-resource or file, ' +
        'or a path relative to baseUri',
    ],
    [
      'a web sound',
      toast('<audio src="https://example.com/a.mp3"/>'),
      'xml-attribute-value: src of <audio> must be ms-winsoundevent:Notification.Default or another sound of Windows, ' +
        'or a URI with ms-appx, ms-appdata or ms-resource',
    ],
    [
      'a progress above 1',
      binding('<text>a</text><progress value="50" status="a"/>'),
      'xml-attribute-value: value of <progress> must be a number from 0 to 1, "indeterminate", ' +
        'or a data binding such as {value}',
    ],
    [
      'a header without title',
      toast('<header id="1" arguments="a"/>'),
      'xml-attribute-missing: <header> needs the attribute title',
    ],
    [
      'two visuals',
      `<toast>${'<visual><binding template="ToastGeneric"><text>a</text></binding></visual>'.repeat(2)}</toast>`,
      'xml-element: <toast> may hold only one <visual>',
    ],
    [
      'a group in an old template',
      binding('<text id="1">a</text><group><subgroup/></group>', 'template="ToastText01"'),
      'xml-element: <group> is only for the template ToastGeneric',
    ],
    [
      'text inside a subgroup',
      binding('<text>a</text><group><subgroup>b</subgroup></group>'),
      'xml-text-position: text directly inside <subgroup> is not shown; put it into <text>',
    ],
  ])('is rejected: %s', ([, xml, error]) => {
    expect(errorsOf('toast', xml)).toContain(error)
  })

  test.for<[string, string, string]>([
    [
      'a fourth text',
      binding('<text>a</text>'.repeat(4)),
      'xml-too-many: a toast shows 3 texts; further ones are dropped',
    ],
    [
      'an unknown attribute',
      toast('', ' color="red"'),
      'xml-attribute-unknown: <toast> has no attribute color; Windows ignores it',
    ],
    [
      'an attribute in another case',
      toast('', ' displayTimeStamp="2026-01-31T09:30:00Z"'),
      'xml-attribute-unknown: <toast> has no attribute displayTimeStamp; write displayTimestamp',
    ],
    [
      'a value in another case',
      binding('<text>a</text><image src="a.png" placement="AppLogoOverride"/>'),
      'xml-attribute-value: placement of <image>: write "appLogoOverride", in this case',
    ],
    [
      'an unknown hint',
      binding('<text hint-style="comic">a</text>'),
      'xml-attribute-value: hint-style of <text> must be one of caption, captionSubtle, body, bodySubtle, base, ' +
        'baseSubtle, subtitle, subtitleSubtle, title, titleSubtle, titleNumeral, subheader, subheaderSubtle, ' +
        'subheaderNumeral, header, headerSubtle, headerNumeral, default',
    ],
    [
      'a second binding',
      `<toast><visual>${'<binding template="ToastGeneric"><text>a</text></binding>'.repeat(2)}</visual></toast>`,
      'xml-element: Windows shows only one <binding> of a toast',
    ],
    [
      'a text behind a group',
      binding('<text>a</text><group><subgroup><text>b</text></subgroup></group><text>c</text>'),
      'xml-order: a <text> behind a <group> or <progress> is moved to the top or dropped',
    ],
    [
      'two heroes',
      binding('<text>a</text><image placement="hero" src="a.png"/><image placement="hero" src="b.png"/>'),
      'xml-too-many: a toast shows one image with placement="hero"',
    ],
    [
      'commands',
      toast('<commands scenario="alarm"><command id="snooze"/></commands>'),
      'xml-obsolete: <commands> is obsolete; use scenario of <toast> and <actions>',
    ],
    [
      'an old template without ids',
      binding('<text>a</text>', 'template="ToastText01"'),
      'xml-attribute-missing: <text> of this template needs an id from 1',
    ],
    [
      'too many texts of an old template',
      binding('<text id="1">a</text><text id="2">b</text>', 'template="ToastText01"'),
      'xml-too-many: this template shows 1 of <text>; use ToastGeneric for more',
    ],
    [
      'an unknown sound',
      toast('<audio src="ms-winsoundevent:Notification.Bang"/>'),
      'xml-attribute-value: src of <audio>: Windows has no such sound and plays its default',
    ],
    [
      'a repeated sound of a short toast',
      toast('<audio loop="true"/>'),
      'xml-audio: a sound is repeated only in a toast with duration="long"',
    ],
    [
      'a protocol that is none',
      toast('<actions><action content="a" arguments="b" activationType="protocol"/></actions>'),
      'xml-attribute-value: arguments of an action with activationType="protocol" must be a URI',
    ],
    [
      'an image with blanks',
      binding('<text>a</text><image src="https://example.com/a b.png"/>'),
      'xml-attribute-value: src of <image>: it has characters that a URI cannot hold; percent-encode them',
    ],
    ['empty actions', toast('<actions/>'), 'xml-nothing-shown: <actions> has no action and no input'],
  ])('passes with a warning: %s', ([, xml, warning]) => {
    expect(errorsOf('toast', xml)).toEqual([])
    expect(oddities('toast', xml)).toEqual([warning])
  })

  test('reports the place of each error, also after placeholders', () => {
    const xml =
      '<toast>\n  <visual><binding template="ToastGeneric"><text>{{vars.a|b}}</text><foo/></binding></visual></toast>'
    const [error, ...more] = lintNotification(notificationSchema.parse({ type: 'toast', xml }), store)
    expect(more).toEqual([])
    const column = (xml.split('\n')[1]?.indexOf('<foo/>') ?? 0) + 1
    expect(error?.detail).toContain(`line 2, column ${column}: Windows does not know <foo>`)
  })

  test('reports all its errors at once', () => {
    const xml = '<toast scenario="panic">a<visual><binding template="X"/></visual><foo/></toast>'
    expect(errorsOf('toast', xml).map((error) => error.split(':')[0])).toEqual([
      'xml-attribute-value',
      'xml-text-position',
      'xml-element',
      'xml-template',
    ])
  })
})

describe('a tile of XML', () => {
  test.for(['TileSmall', 'TileMedium', 'TileWide', 'TileLarge'])('has the adaptive template %s', (template) => {
    expect(errorsOf('tile', tile('<text>a</text>', `template="${template}"`))).toEqual([])
  })

  test.for(legacyTileTemplates)('has the old template %s', (template) => {
    const xml = tile('<image id="1" src="a.png"/><text id="1">a</text>', `template="${template}"`)
    expect(errorsOf('tile', xml)).toEqual([])
    expect(oddities('tile', xml)).toEqual([])
  })

  test('accepts every template of the catalogs of Windows 8 and 8.1', () => {
    expect(new Set(legacyTileTemplates).size).toBe(legacyTileTemplates.length)
    expect(legacyTileTemplates.filter((name) => /^Tile(?:Square|Wide)[A-Z]/.test(name))).toHaveLength(46)
    expect(legacyTileTemplates.filter((name) => name.includes('310x310'))).toHaveLength(29)
    for (const name of [
      'TileSquareBlock',
      'TileWideText11',
      'TileWide310x150PeekImageCollection06',
      'TileSquare310x310TextList03',
      'TileSquare310x310Text09',
      'TileSquare71x71IconWithBadge',
    ])
      expect(legacyTileTemplates).toContain(name)
  })

  test.for<[string, string]>([
    [
      'photos',
      tile(
        times(12, (n) => `<image src="${n}.jpg"/>`),
        'template="TileMedium" hint-presentation="photos"',
      ),
    ],
    ['people', tile('<image src="a.jpg"/>', 'template="TileWide" hint-presentation="people"')],
    ['a contact', tile('<image src="a.jpg"/><text>A</text>', 'template="TileMedium" hint-presentation="contact"')],
    [
      'a background and a peek',
      tile('<image placement="background" src="a.png"/><image placement="peek" src="b.png"/><text>a</text>'),
    ],
    ['a fallback', tile('<text id="1">a</text>', 'template="TileSquare150x150Text04" fallback="TileSquareText04"')],
    [
      'texts of the lock screen',
      '<tile><visual version="3" branding="nameAndLogo" displayName="A" hint-lockDetailedStatus1="a">' +
        '<binding template="TileWide"><text>a</text></binding></visual></tile>',
    ],
  ])('passes: %s', ([, xml]) => {
    expect(errorsOf('tile', xml)).toEqual([])
    expect(oddities('tile', xml)).toEqual([])
  })

  test.for<[string, string, string]>([
    ['nothing in it', '<tile/>', 'xml-nothing-shown: <tile> needs a <visual> with a <binding>'],
    [
      'an empty visual',
      '<tile><visual/></tile>',
      'xml-nothing-shown: <visual> needs a <binding> for each size, such as template="TileMedium"',
    ],
    [
      'text outside a binding',
      '<tile>a</tile>',
      'xml-text-position: text directly inside <tile> is not shown; put it into <text>',
    ],
    ['no template', tile('<text>a</text>', ''), 'xml-attribute-missing: <binding> needs the attribute template'],
    [
      'an unknown template',
      tile('<text>a</text>', 'template="TileHuge"'),
      'xml-template: there is no such template for a tile; write TileSmall, TileMedium, TileWide or TileLarge',
    ],
    [
      'a template of toasts',
      tile('<text>a</text>', 'template="ToastGeneric"'),
      'xml-template: there is no such template for a tile; write TileSmall, TileMedium, TileWide or TileLarge',
    ],
    [
      'actions',
      '<tile><actions/></tile>',
      'xml-element: Windows does not know <actions> and shows nothing of it; remove it',
    ],
    [
      'a branding that is none',
      '<tile><visual branding="big"><binding template="TileMedium"><text>a</text></binding></visual></tile>',
      'xml-attribute-value: branding of <visual> must be one of none, logo, name, nameAndLogo, auto',
    ],
    [
      'a group in an old template',
      tile('<group><subgroup/></group>', 'template="TileSquareText01"'),
      'xml-element: <group> is only for adaptive templates such as TileMedium',
    ],
    ['an image without a source', tile('<image/>'), 'xml-attribute-missing: <image> needs the attribute src'],
  ])('is rejected: %s', ([, xml, error]) => {
    expect(errorsOf('tile', xml)).toContain(error)
  })

  test.for<[string, string, string]>([
    ['an empty binding', tile(''), 'xml-nothing-shown: <binding> shows neither text nor image'],
    [
      '13 photos',
      tile(
        times(13, () => '<image src="a.jpg"/>'),
        'template="TileMedium" hint-presentation="photos"',
      ),
      'xml-too-many: Windows shows 12 photos; further ones are dropped',
    ],
    [
      'a size twice',
      `<tile><visual>${'<binding template="TileWide"><text>a</text></binding>'.repeat(2)}</visual></tile>`,
      'xml-too-many: another <binding> has the template TileWide',
    ],
  ])('passes with a warning: %s', ([, xml, warning]) => {
    expect(errorsOf('tile', xml)).toEqual([])
    expect(oddities('tile', xml)).toEqual([warning])
  })
})

describe('a badge of XML', () => {
  test.for(['<badge value="7"/>', '<badge value="alert" version="1"/>', '<badge value="{{vars.n|0}}"/>'])(
    '%s passes',
    (xml) => {
      expect(errorsOf('badge', xml)).toEqual([])
      expect(oddities('badge', xml)).toEqual([])
    },
  )

  test.for<[string, string]>([
    ['<badge value="banana"/>', 'xml-attribute-value'],
    ['<badge value=""/>', 'xml-attribute-value'],
    ['<badge value="-1"/>', 'xml-attribute-value'],
    ['<badge value="007"/>', 'xml-attribute-value'],
    ['<badge value="2147483648"/>', 'xml-attribute-value'],
    ['<badge/>', 'xml-attribute-missing'],
    ['<badge value="1">a</badge>', 'xml-text-position'],
    ['<badge value="1"><text/></badge>', 'xml-element'],
    ['<badge value="{{vars.n|many}}"/>', 'placeholder-value'],
  ])('%s is rejected', ([xml, code]) => {
    expect(errorsOf('badge', xml).map((error) => error.split(':')[0])).toEqual([code])
  })

  test('warns that recipients without the variable are rejected', () => {
    expect(oddities('badge', '<badge value="{{vars.n}}"/>')).toEqual([
      expect.stringMatching(/^placeholder-value: recipients without vars\.n are rejected.*fallback/),
    ])
  })
})
