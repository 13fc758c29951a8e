import { Visitor, parseSync } from 'oxc-parser'

/** A part of a file that people read: consecutive comments, or a string of several words. */
export interface Passage {
  readonly start: number
  readonly end: number
}

/** The passages of a TypeScript, Lua or YAML file, in order. Markdown has a parser of its own. */
export function passagesOf(path: string, text: string): readonly Passage[] {
  if (path.endsWith('.ts')) return typescriptPassages(path, text)
  if (path.endsWith('.lua')) return joinLines(text, matches(text, /--.*$/gm))
  return yamlPassages(text)
}

function typescriptPassages(path: string, text: string): readonly Passage[] {
  const { comments, program } = parseSync(path, text)
  const strings: Passage[] = []
  const addProse = ({ start, end }: Passage): void => {
    if (isProse(text.slice(start, end))) strings.push({ start, end })
  }
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === 'string') addProse(node)
    },
    TemplateElement: addProse,
  }).visit(program)
  return sorted([...joinLines(text, comments), ...strings])
}

/** Two words in a row; a single word is an identifier, a unit or data. */
function isProse(string: string): boolean {
  return /[A-Za-z]{2,}[,;:]? [A-Za-z]{2,}/.test(string)
}

// Comments, and the values that people read: annotations of alerts and names of their tests.
function yamlPassages(text: string): readonly Passage[] {
  const comments = joinLines(text, matches(text, /(?<=^|\s)#.*$/gm))
  return sorted([...comments, ...matches(text, /(?<=^\s*(?:- )?(?:summary|description|name): ).*$/gm)])
}

function matches(text: string, pattern: RegExp): readonly Passage[] {
  return [...text.matchAll(pattern)].map(({ 0: match, index }) => ({ start: index, end: index + match.length }))
}

/** Comments on consecutive lines are one passage, so that a phrase is found across a line break. */
function joinLines(text: string, comments: readonly Passage[]): readonly Passage[] {
  const joined: Passage[] = []
  for (const { start, end } of comments) {
    const last = joined.at(-1)
    const follows = last !== undefined && /^[ \t]*\n[ \t]*$/.test(text.slice(last.end, start))
    if (follows) joined[joined.length - 1] = { start: last.start, end }
    else joined.push({ start, end })
  }
  return joined
}

function sorted(passages: readonly Passage[]): readonly Passage[] {
  return passages.toSorted((a, b) => a.start - b.start)
}
