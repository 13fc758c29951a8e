import type { InputError } from './problem.ts'
import { placeIn } from './text-place.ts'

// What is looked for in the text of a document before a parser sees it: markup that a parser could be led astray by,
// and the mistakes that people make most often, each with one clear error.

const MAX_ERRORS = 20

export interface CheckedMarkup {
  readonly inputErrors: readonly InputError[]
  /** Whether the document may be parsed, to find what else is wrong with it. */
  readonly mayParse: boolean
  /** The document to parse: of the same length, without what was reported. */
  readonly text: string
}

export function checkMarkup(text: string): CheckedMarkup {
  const inputErrors: InputError[] = []
  const mark = startsWithMark(text)
  if (mark) inputErrors.push(inputError('xml-byte-order-mark', 'remove the byte order mark (U+FEFF) at the beginning'))
  const declared = checkDeclaration(mark ? ` ${text.slice(1)}` : text, mark ? 1 : 0)
  const forbidden = forbiddenMarkup(declared.text)
  const ampersands = checkAmpersands(declared.text)
  return {
    inputErrors: [...inputErrors, ...declared.inputErrors, ...forbidden, ...ampersands.inputErrors],
    mayParse: forbidden.length === 0,
    text: ampersands.text,
  }
}

function startsWithMark(text: string): boolean {
  return text.startsWith('\uFEFF')
}

const declaration =
  /^<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')(?:\s+encoding\s*=\s*(?:"[uU][tT][fF]-8"|'[uU][tT][fF]-8'))?(?:\s+standalone\s*=\s*(?:"yes"|'yes'|"no"|'no'))?\s*\?>/

interface Checked {
  readonly inputErrors: readonly InputError[]
  readonly text: string
}

/** Check the XML declaration, which must be the first thing in the document, and blank out every one. */
function checkDeclaration(text: string, from: number): Checked {
  const inputErrors: InputError[] = []
  let rest = text
  for (let at = rest.indexOf('<?xml'); at >= 0; at = rest.indexOf('<?xml', at + 1)) {
    if (!/\s/.test(rest.charAt(at + 5))) continue
    const place = placeIn(rest, at)
    const length = declaration.exec(rest.slice(at, at + 200))?.[0].length
    if (at > from) {
      const detail = 'the XML declaration must be the first thing in the document; remove it or what stands before it'
      inputErrors.push(inputError('xml-declaration', `${place}: ${detail}`))
    } else if (length === undefined) {
      const detail = 'the XML declaration may hold only version 1.0 and encoding UTF-8; remove it'
      inputErrors.push(inputError('xml-declaration', `${place}: ${detail}`))
    }
    const close = rest.indexOf('?>', at)
    const end = close < 0 ? rest.length : close + 2
    rest = rest.slice(0, at) + blank(rest.slice(at, end)) + rest.slice(end)
    if (inputErrors.length > 0) break
  }
  return { inputErrors, text: rest }
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ')
}

function forbiddenMarkup(text: string): InputError[] {
  const inputErrors: InputError[] = []
  for (const { 0: found, index } of text.matchAll(/<\?|<!(?!--|\[CDATA\[)/g)) {
    const place = placeIn(text, index)
    inputErrors.push(
      found === '<!'
        ? inputError('xml-doctype', `${place}: document types, entities and other declarations are not allowed`)
        : inputError('xml-instruction', `${place}: processing instructions are not allowed`),
    )
    if (inputErrors.length >= MAX_ERRORS) break
  }
  return inputErrors
}

const reference = /&(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);/y
const entity = /&([A-Za-z][A-Za-z0-9]{0,31});/y

/** Check that every `&` begins a reference that XML knows: one error for bare ones, one for entities of HTML. */
function checkAmpersands(text: string): Checked {
  const bare: number[] = []
  const entities: number[] = []
  const next = /&|<!--|<!\[CDATA\[/g
  for (let match = next.exec(text); match !== null; match = next.exec(text)) {
    const [opening] = match
    if (opening !== '&') {
      const close = text.indexOf(opening === '<!--' ? '-->' : ']]>', next.lastIndex)
      if (close < 0) break
      next.lastIndex = close
    } else if (!matchesAt(reference, text, match.index)) {
      if (matchesAt(entity, text, match.index)) entities.push(match.index)
      else bare.push(match.index)
    }
  }
  const inputErrors: InputError[] = []
  const [firstBare] = bare
  if (firstBare !== undefined)
    inputErrors.push(inputError('xml-malformed', `${placesOf(text, bare)}: write &amp; for a literal &`))
  const [firstEntity] = entities
  if (firstEntity !== undefined)
    inputErrors.push(inputError('xml-malformed', `${placesOf(text, entities)}: ${entityHint(text, firstEntity)}`))
  return { inputErrors, text: withoutCharacters(text, [...bare, ...entities]) }
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(text)
}

function placesOf(text: string, places: readonly number[]): string {
  const more = places.length - 1
  const others = more === 0 ? '' : more === 1 ? ' and 1 more place' : ` and ${more} more places`
  return `${placeIn(text, places[0] ?? 0)}${others}`
}

function withoutCharacters(text: string, places: readonly number[]): string {
  if (places.length === 0) return text
  let rest = ''
  let from = 0
  for (const at of places.toSorted((a, b) => a - b)) {
    rest += `${text.slice(from, at)} `
    from = at + 1
  }
  return rest + text.slice(from)
}

function entityHint(text: string, at: number): string {
  entity.lastIndex = at
  const name = entity.exec(text)?.[1] ?? ''
  const code = Object.hasOwn(htmlEntities, name) ? htmlEntities[name] : undefined
  const instead = code === undefined ? 'the character itself' : `&#${code}; or the character itself`
  return `&${name}; is an entity of HTML, not of XML; write ${instead}`
}

/** The entities that people write most, with the numbers of their characters. */
const htmlEntities: Readonly<Record<string, number>> = {
  nbsp: 160,
  iexcl: 161,
  cent: 162,
  pound: 163,
  yen: 165,
  sect: 167,
  copy: 169,
  laquo: 171,
  reg: 174,
  deg: 176,
  middot: 183,
  raquo: 187,
  iquest: 191,
  Auml: 196,
  Eacute: 201,
  Ouml: 214,
  times: 215,
  Uuml: 220,
  szlig: 223,
  agrave: 224,
  aacute: 225,
  auml: 228,
  ccedil: 231,
  egrave: 232,
  eacute: 233,
  iacute: 237,
  ntilde: 241,
  oacute: 243,
  ouml: 246,
  uacute: 250,
  uuml: 252,
  ndash: 8211,
  mdash: 8212,
  lsquo: 8216,
  rsquo: 8217,
  ldquo: 8220,
  rdquo: 8221,
  bull: 8226,
  hellip: 8230,
  euro: 8364,
  trade: 8482,
}

function inputError(code: string, detail: string): InputError {
  return { path: [], code, detail }
}
