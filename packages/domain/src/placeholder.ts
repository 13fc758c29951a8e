import { foreignSyntax } from './foreign-syntax.ts'

// One placeholder, read by this grammar. `docs/api.md` repeats it for users.
//
//   placeholder = "{{" variable [ "|" fallback ] "}}"       blanks around every part are ignored
//   variable    = "vars." name
//   name        = a letter, then at most 39 letters, digits or "_" (ASCII)
//   fallback    = nothing | bare | quoted
//   bare        = letters, digits, currency signs, emoji, blanks and . , ! ? & ; / + # @ * % _ - …
//                 an apostrophe only between letters; no "-" at either end; not the name of a filter
//   quoted      = "…" or '…', in which \ stands before a quote or another \
//
// A fallback is plain text. It holds no placeholder, quoted or not, and is written as text wherever it lands.

/** A placeholder; `source` is the text that it was read from. */
export interface Placeholder {
  readonly name: string
  readonly fallback: string
  readonly source: string
}

export type ParsedPlaceholder =
  | { readonly ok: true; readonly name: string; readonly fallback: string }
  | { readonly ok: false; readonly code: string; readonly detail: string }

const FORM = '{{vars.name}} or {{vars.name|fallback}}'
const variableForm = /^vars\.([a-zA-Z][a-zA-Z0-9_]{0,39})$/
const quotedForm = /^(?:"(?:[^"\\]|\\["'\\])*"|'(?:[^'\\]|\\["'\\])*')$/
const bareForm =
  /^(?:[\p{L}\p{M}\p{N}\p{Sc}\p{Extended_Pictographic}\u200D .,!?&;/+#@*%_…’–—-]|(?<=\p{L})'(?=\p{L}))*$/u

/** Read what stands between `{{` and `}}`; linear in the text. The detail repeats names only, never other text. */
export function parsePlaceholder(inner: string): ParsedPlaceholder {
  const bar = inner.indexOf('|')
  const variable = (bar < 0 ? inner : inner.slice(0, bar)).trim()
  const name = variableForm.exec(variable)?.[1]
  if (name === undefined) return { ok: false, code: 'placeholder-name', detail: nameHint(variable) }
  const fallback = bar < 0 ? '' : inner.slice(bar + 1).trim()
  const quoted = quotedForm.test(fallback)
  const hint = quoted ? quotedHint(fallback) : bareHint(name, fallback)
  if (hint !== undefined) return { ok: false, code: 'placeholder-fallback', detail: hint }
  return { ok: true, name, fallback: quoted ? unquoted(fallback) : fallback }
}

function unquoted(text: string): string {
  return text.slice(1, -1).replace(/\\(.)/g, '$1')
}

function quotedHint(fallback: string): string | undefined {
  const text = unquoted(fallback)
  if (text.includes('{{') || text.includes('}}') || foreignSyntax(text).length > 0)
    return 'a fallback is plain text and cannot hold another placeholder'
  return undefined
}

function bareHint(name: string, fallback: string): string | undefined {
  const word = /^[A-Za-z_][A-Za-z0-9_]*/.exec(fallback)?.[0]
  if (word !== undefined && isFilter(word, fallback.slice(word.length))) return filterHint(name, word, fallback)
  if (bareForm.test(fallback) && !/^-|-$/.test(fallback)) return undefined
  return 'a fallback of more than letters, digits, blanks and simple punctuation must be quoted: {{vars.name|"…"}}'
}

function isFilter(word: string, rest: string): boolean {
  if (/^\s*[:(|]/.test(rest)) return true
  const isAlone = rest.trim() === ''
  // Filters begin with a small letter, a fallback such as "Title" does not.
  if (/^[A-Z]/.test(word)) return false
  if (word === 'default') return true
  return isAlone && (filters.has(word.toLowerCase()) || /^[a-z]+(?:_[a-z0-9]+)+$/.test(word))
}

function filterHint(name: string, word: string, fallback: string): string {
  const shown = word.slice(0, 40)
  if (/^default\b/.test(fallback))
    return `"default" is a filter of other template languages; write {{vars.${name}|"fallback"}} instead`
  const asText = fallback === word ? `; for the word itself write {{vars.${name}|"${shown}"}}` : ''
  return `filters such as "${shown}" are not supported; set the variable to the final text${asText}`
}

// Filters, pipes and helpers of Liquid, Jinja, Django, Twig, Nunjucks, Handlebars, Angular and Vue that are one word.
// Words with "_" are recognized by their form.
const filters = new Set(
  (
    'abs append at_least batch bytes camelcase capfirst capitalize capitalise ceil center cents compact concat convert ' +
    'currency cut date dateformat datetime decimal default dictsort divisibleby downcase e encode escape escapejs ' +
    'filesizeformat first floor floatformat float format groupby html i18n indent int join json jsonencode keys last ' +
    'length linebreaks linebreaksbr list ljust localize lower lowercase lowerfirst lstrip map markdown max md5 ' +
    'merge min minus modulo money nl2br number ordinal percent phone2numeric plus pluck pluralize pprint prepend ' +
    'random raw reject remove replace reverse rjust round rstrip safe select selectattr sha1 sha256 shuffle size ' +
    'slice slugify sort split squeeze string stringformat stringify strip striptags sum t time times timesince ' +
    'timeuntil title titlecase tojson tolowercase tostring touppercase trans translate trim truncate ' +
    'truncatechars truncatewords unescape uniq unique upcase upper uppercase upperfirst urlencode urlize values ' +
    'where wordcount wordwrap xmlattr yesno'
  ).split(' '),
)

function nameHint(variable: string): string {
  const [first = ''] = variable
  if (variable === '') return `a placeholder must be ${FORM}; found an empty one`
  if (first === '{') return `three braces are not supported, since values are always escaped; write {{vars.name}}`
  if ('#/^>!&'.includes(first) || /^(?:else|end|if|each|for|unless|with)\b/.test(variable))
    return `blocks, partials and comments of other template languages are not supported; a placeholder must be ${FORM}`
  if (first === '-' || first === '~' || /[-~]$/.test(variable))
    return `blank control such as {{- -}} is not supported; a placeholder must be ${FORM}`
  const plain = /^[$@.]?([a-zA-Z][a-zA-Z0-9_]{0,39})$/.exec(variable)?.[1]
  if (plain !== undefined && !/^vars$/i.test(plain)) return `write {{vars.${plain}}}; a variable begins with "vars."`
  if (/^vars\s*\[|^vars(?:\.\w+){2,}$/.test(variable))
    return `variables are flat: a placeholder must be ${FORM}, with one name`
  if (/^vars\.[a-zA-Z]\w*\s*(?:\?\?|\?:|\bor\b|,|:)/.test(variable))
    return `a fallback stands behind "|": {{vars.name|fallback}}`
  return `a placeholder must be ${FORM}, with a name of a letter and at most 39 letters, digits or _`
}
