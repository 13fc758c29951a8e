// The syntax of other template languages. A text that holds it was meant to be filled by one of them, so it is rejected
// instead of being shown to people as it is. It looks for openings that no ordinary text has.

/** A place in a text where another template language begins; `at` counts characters from 0. */
export interface ForeignSyntax {
  readonly at: number
  readonly hint: string
}

const WRITE = 'write {{vars.name}} or {{vars.name|fallback}}'
const MAX_FOUND = 20

const languages: readonly { readonly pattern: string; readonly hint: string }[] = [
  { pattern: String.raw`\{%`, hint: `"{%" opens a tag of Liquid or Jinja, which is not supported; ${WRITE}` },
  { pattern: String.raw`\{#(?=[\sA-Za-z-])`, hint: `"{#" opens a comment or block of Jinja or Svelte; remove it` },
  { pattern: String.raw`[$#]\{(?=\s*[A-Za-z_])`, hint: `"\${" and "#{" do not insert a variable here; ${WRITE}` },
  {
    pattern: '(?:<|&lt;)%(?=[=#@~_-]|\\s*[A-Za-z])',
    hint: `"<%" opens a tag of ERB, EJS or ASP, which is not supported; ${WRITE}`,
  },
  {
    pattern: String.raw`\*\|(?=[A-Za-z_])`,
    hint: `"*|" opens a merge tag of Mailchimp, which is not supported; ${WRITE}`,
  },
  {
    pattern: String.raw`[{[(<%$#@]\s{0,8}vars\.[A-Za-z]`,
    hint: `this looks like a placeholder, but a placeholder has two braces on each side; ${WRITE}`,
  },
  {
    pattern: String.raw`\bvars\.[A-Za-z][A-Za-z0-9_]{0,39}\s{0,8}[}\]%]`,
    hint: `this looks like the end of a placeholder without its beginning; ${WRITE}`,
  },
]

const anyLanguage = new RegExp(languages.map(({ pattern }) => `(${pattern})`).join('|'), 'g')

/** Every opening of another template language in a text, at most 20; linear in the text. */
export function foreignSyntax(text: string): ForeignSyntax[] {
  const found: ForeignSyntax[] = []
  for (const match of text.matchAll(anyLanguage)) {
    const language = languages[match.slice(1).findIndex((group) => group !== undefined)]
    if (language !== undefined) found.push({ at: match.index, hint: language.hint })
    if (found.length >= MAX_FOUND) break
  }
  return found
}
