import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { cellWithoutGuard, csvLines } from '../src/csv-line.ts'
import { Problem } from '../src/problem.ts'
import { readChannelIds } from '../src/upload/channel-ids.ts'
import { csvReader } from '../src/upload/csv-reader.ts'
import type { Line } from '../src/upload/lines.ts'
import { MAX_LINE_BYTES, readLines } from '../src/upload/lines.ts'
import { readRegistrations } from '../src/upload/registrations.ts'
import type { UploadFormat } from '../src/upload/upload-format.ts'

function uriOf(name: string): string {
  return `https://db5p.notify.windows.com/?token=${name}`
}

function json(channel: string, rest: object = {}): string {
  return JSON.stringify({ channel, uri: uriOf(channel), ...rest })
}

async function* piecesOf(...pieces: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const piece of pieces) yield Buffer.from(piece)
}

function utf16(text: string, order: 'le' | 'be', mark = '\uFEFF'): Buffer {
  const bytes = Buffer.from(`${mark}${text}`, 'utf16le')
  return order === 'le' ? bytes : bytes.swap16()
}

interface Read {
  readonly line: number
  readonly registration?: unknown
  readonly code?: string
  readonly detail?: string
}

async function read(body: string | Buffer, format: 'ndjson' | 'csv'): Promise<Read[]> {
  const found: Read[] = []
  for await (const { line, parsed } of readRegistrations(piecesOf(body), format)) {
    if (!parsed.ok)
      found.push({ line, code: parsed.inputErrors[0]?.code ?? '', detail: parsed.inputErrors[0]?.detail ?? '' })
    else {
      const { channel, uri, tags, locale, vars } = parsed.value
      found.push({ line, registration: { channel, uri: uri?.raw, tags, locale, vars } })
    }
  }
  return found
}

async function refusalOf(work: Promise<unknown>): Promise<Problem> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof Problem) return error
  throw new Error(`a refusal was expected, found ${String(error)}`)
}

const rows = [
  ['channel', 'uri', 'tags', 'locale'],
  ['a', uriOf('a'), 'news', 'de'],
  ['b', uriOf('b'), 'x', ''],
]
function csv(delimiter: string, lineEnd = '\n'): string {
  return rows.map((cells) => `${cells.join(delimiter)}${lineEnd}`).join('')
}
const channels = ['a', 'b']

describe('a CSV is read as the usual programs write it', () => {
  test.each<[string, string | Buffer]>([
    ['commas', csv(',')],
    ['semicolons', csv(';')],
    ['tabs', csv('\t')],
    ['bars', csv('|')],
    ['CRLF', csv(',', '\r\n')],
    ['CR alone', csv(',', '\r')],
    ['no line end at the end', csv(',').slice(0, -1)],
    ['a UTF-8 byte order mark', `\uFEFF${csv(',')}`],
    ['UTF-16 LE with a mark', utf16(csv('\t', '\r\n'), 'le')],
    ['UTF-16 BE with a mark', utf16(csv(';'), 'be')],
    ['UTF-16 LE without a mark', utf16(csv(','), 'le', '')],
    ['UTF-16 BE without a mark', utf16(csv(','), 'be', '')],
    ['a line sep=; in front', `sep=;\r\n${csv(';', '\r\n')}`],
    ['a line "sep=," in front', `"sep=,"\n${csv(',')}`],
    ['trailing empty columns', rows.map((cells) => `${cells.join(',')},,,\n`).join('')],
    ['an upper-case header', csv(',').replace('channel,uri,tags,locale', 'Channel,URI,Tags,Locale')],
    ['a header in quotes', csv(';').replace('channel;uri;tags;locale', '"channel";"uri";"tags";"locale"')],
    ['blank lines', csv(',').replaceAll('\n', '\n\n')],
    ['a second copy of the header', `${csv(',')}channel,uri,tags,locale\n`],
    ['a second file with its mark', csv(',').replace('\nb,', '\n\uFEFFb,')],
  ])('%s', async (_, body) => {
    const found = await read(body, 'csv')
    expect(found.map(({ registration }) => (registration as { channel: string } | undefined)?.channel)).toEqual(
      channels,
    )
    expect(found[0]?.registration).toMatchObject({ uri: uriOf('a'), tags: ['news'], locale: 'de' })
  })

  test.each(['x;y', 'x,y', 'x|y', ' x ; y ', 'x y'])('the tags %j are two', async (cell) => {
    const found = await read(`channel\turi\ttags\na\t${uriOf('a')}\t${cell}\n`, 'csv')
    expect(found).toMatchObject([{ registration: { tags: ['x', 'y'] } }])
  })

  test('an empty cell is an absent field', async () => {
    const [found] = await read(`channel,uri,tags,locale\na,${uriOf('a')},,\n`, 'csv')
    expect(found?.registration).toEqual({ channel: 'a', uri: uriOf('a') })
  })

  test('a broken row is reported by its line, and the others are read', async () => {
    const body = ['channel,uri,tags', `a,${uriOf('a')},x`, `b,${uriOf('b')}`, `"c,${uriOf('c')},x`, `d,${uriOf('d')},`]
    expect((await read(body.join('\n'), 'csv')).map(({ line, code }) => [line, code])).toEqual([
      [2, undefined],
      [3, 'csv-columns'],
      [4, 'csv-quotes'],
      [5, undefined],
    ])
  })
})

describe('an upload in another format is rejected with the format that is wanted', () => {
  const twoLines = `${json('a')}\n${json('b')}\n`
  test.each<[string, 'ndjson' | 'csv', string | Buffer, RegExp]>([
    ['CSV by curl --data', 'csv', csv(',').replaceAll('\n', ''), /line ends are lost.*--data-binary/],
    ['a long CSV by curl --data', 'csv', csv(',').replaceAll('\n', '').repeat(90), /line end.*--data-binary/],
    ['CSV without a header', 'csv', `a,${uriOf('a')},news,de\n`, /no header.*channel/],
    ['an empty CSV', 'csv', '', /no header.*channel/],
    ['NDJSON as CSV', 'csv', twoLines, /found JSON.*application\/x-ndjson/],
    ['a CSV with another column', 'csv', 'channel,uri,owner\n', /the column "owner" is unknown/],
    ['a CSV without the id', 'csv', 'uri;tags\n', /the column "channel" is missing/],
    ['a CSV with a column twice', 'csv', 'channel,uri,channel\n', /"channel" is there twice/],
    ['a workbook', 'csv', Buffer.from('504b0304140006', 'hex'), /Excel workbook.*save the sheet as CSV/],
    ['gzip without its header', 'csv', Buffer.from('1f8b0800000000', 'hex'), /Content-Encoding: gzip/],
    ['UTF-32', 'csv', Buffer.from('fffe000063000000', 'hex'), /UTF-32/],
    ['a JSON array on one line', 'ndjson', `[${json('a')},${json('b')}]`, /JSON array.*NDJSON/],
    ['a JSON array over several lines', 'ndjson', `[\n${json('a')},\n${json('b')}\n]`, /JSON array.*NDJSON/],
    [
      'pretty-printed JSON',
      'ndjson',
      JSON.stringify({ channel: 'a', uri: uriOf('a') }, null, 2),
      /several lines.*NDJSON/,
    ],
    ['CSV as NDJSON', 'ndjson', csv(';'), /found CSV.*text\/csv/],
    ['HTML', 'ndjson', '<html>', /XML or HTML/],
  ])('%s', async (_, format, body, reason) => {
    const problem = await refusalOf(read(body, format))
    expect(problem).toMatchObject({ code: 'invalid', message: expect.stringMatching(reason) })
    expect(problem.inputErrors).not.toEqual([])
    expect(JSON.stringify([problem.message, problem.inputErrors])).not.toContain('db5p')
  })

  test.each<[string, string, RegExp]>([
    ['NDJSON by curl -d', `${json('a')}${json('b')}`, /several objects on one line.*--data-binary/],
    ['much NDJSON by curl -d', json('a').repeat(200), /several objects on one line.*--data-binary/],
    ['a comma behind each object', `${json('a')},\n${json('b')},\n`, /comma after the object/],
    ['an object that is cut off', `{"channel":"a",\n${json('b')}\n`, /does not end on its line/],
    ['no JSON at all', 'device-1\n', /not valid JSON/],
  ])('%s', async (_, body, reason) => {
    const [first] = await read(body, 'ndjson')
    expect(first).toMatchObject({ line: 1, code: 'malformed-json', detail: expect.stringMatching(reason) })
  })
})

test('NDJSON may be UTF-16, and files that were joined keep their marks', async () => {
  const body = `${json('a')}\r\n\uFEFF${json('b')}\n`
  for (const bytes of [Buffer.from(body), utf16(body, 'le'), utf16(body, 'be')])
    expect((await read(bytes, 'ndjson')).map(({ registration }) => registration)).toMatchObject([
      { channel: 'a' },
      { channel: 'b' },
    ])
})

test('a bad name of a variable is rejected with the rule for names', async () => {
  const [first] = await read(json('a', { vars: { 'first-name': 'Ada' } }), 'ndjson')
  expect(first?.detail).toMatch(/vars: .*letter.*digits/)
  expect(first?.detail).not.toMatch(/record|first-name/)
})

async function readIds(body: string, format: UploadFormat): Promise<string[]> {
  const found: string[] = []
  for await (const line of readChannelIds(piecesOf(body), format))
    found.push('channel' in line ? line.channel : `${line.line} ${line.issue.code}`)
  return found
}

describe('channel ids', () => {
  test.each<[string, UploadFormat, string, readonly string[]]>([
    ['lines with a channel alone', 'ndjson', '{"channel":"a"}\n{"channel":"b"}\n', ['a', 'b']],
    ['lines of results', 'ndjson', '{"channel":"a","class":"failed","status":500,"posts":5}\n', ['a']],
    ['lines of an export', 'ndjson', `${json('a', { tags: ['x'] })}\n`, ['a']],
    ['a line without a channel', 'ndjson', '{"chanel":"a"}\n{"channel":"b"}\n', ['1 missing', 'b']],
    ['a channel that is none', 'ndjson', '{"channel":7}\n"a"\n', ['1 wrong-value', '2 missing']],
    [
      'a CSV of results',
      'csv',
      csvLines([
        ['channel', 'class', 'posts'],
        ['=a', 'failed', '5'],
        ['"b,', 'dead', '1'],
      ]),
      ['=a', '"b,'],
    ],
    ['a CSV of one column', 'csv', 'Channel\nchannel\nb\n', ['channel', 'b']],
    ['bare ids', 'ids', '\uFEFFa\r\n\r\n b \n', ['a', 'b']],
    ['an id with a blank', 'ids', 'a b\n', ['1 wrong-value']],
  ])('%s', async (_, format, body, wanted) => {
    expect(await readIds(body, format)).toEqual(wanted)
  })

  test('a CSV without the column is rejected', async () => {
    expect((await refusalOf(readIds('id,class\n', 'csv'))).message).toMatch(/at least channel/)
  })
})

test.prop([fc.stringMatching(/^[!-~]{1,40}$/)])(
  'every channel id is the same after it was written to and read from a CSV',
  async (id) => {
    const reader = csvReader({ required: ['channel'], optional: [], allowsOthers: true })
    const [header = '', row = ''] = csvLines([
      ['channel', 'class'],
      [id, 'dead'],
    ]).split('\r\n')
    const [record] = reader.read([header, row].map((text, at) => ({ number: at + 1, text })))
    expect(record).toMatchObject({ input: { class: 'dead' } })
    const { channel } = (record as { input: { channel: string } }).input
    expect(cellWithoutGuard(channel)).toBe(id)
    expect(channel).not.toMatch(/^[=+\-@]/)
  },
)

test.prop([
  fc.array(
    fc.oneof(
      fc.constantFrom('"a","b"', 'a,b', '"a', 'a"', '"a""x","b"', '"a,b"', '"a" ,b', 'a,"b'),
      fc.string({ unit: fc.constantFrom('"', ',', 'a', ' '), minLength: 1, maxLength: 8 }),
    ),
    { minLength: 1, maxLength: 8 },
  ),
])('a row of a CSV is read the same alone and among others', (texts) => {
  const columns = { required: ['channel', 'uri'], optional: [], allowsOthers: false }
  const lines = texts.map((text, at) => ({ number: at + 2, text }))
  const reader = (): ReturnType<typeof csvReader> => {
    const made = csvReader(columns)
    made.read([{ number: 1, text: 'channel,uri' }])
    return made
  }
  expect(reader().read(lines)).toEqual(lines.flatMap((line) => reader().read([line])))
})

async function linesOf(pieces: readonly Buffer[]): Promise<Line[]> {
  const lines: Line[] = []
  for await (const some of readLines(piecesOf(...pieces))) lines.push(...some)
  return lines
}

// How much is kept of a line that is too long depends on the bytes that had arrived.
function shown(lines: readonly Line[]): Line[] {
  return lines.map((line) => (line.defect === undefined ? line : { ...line, text: '' }))
}

test.prop([
  fc.array(
    fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), fc.constantFrom('', ' ', 'x'.repeat(5000), '\r', 'a\rb')),
  ),
  fc.array(fc.nat({ max: 12_000 }), { maxLength: 6 }),
  fc.constantFrom('utf8', 'mark', 'le', 'be'),
  fc.constantFrom('\n', '\r\n', '\r'),
])('lines do not depend on how an upload was cut into pieces', async (texts, cuts, encoding, lineEnd) => {
  const text = texts.join(lineEnd)
  // The mark of UTF-16 and a NUL are the mark of UTF-32.
  fc.pre(encoding !== 'le' || !text.startsWith('\0'))
  const whole =
    encoding === 'le' || encoding === 'be'
      ? utf16(text, encoding)
      : Buffer.from(`${encoding === 'mark' ? '\uFEFF' : ''}${text}`)
  const at = [0, ...cuts.filter((cut) => cut < whole.length).toSorted((a, b) => a - b), whole.length]
  const pieces = at.slice(1).map((end, n) => whole.subarray(at[n], end))
  expect(shown(await linesOf(pieces.filter(({ length }) => length > 0)))).toEqual(shown(await linesOf([whole])))
})

test('a line may have as many bytes as the limit', async () => {
  const lines = await linesOf([Buffer.from(`${'x'.repeat(MAX_LINE_BYTES)}\r\n${'x'.repeat(MAX_LINE_BYTES + 1)}\n`)])
  expect(lines.map(({ number, defect }) => [number, defect])).toEqual([
    [1, undefined],
    [2, 'line-too-long'],
  ])
})
