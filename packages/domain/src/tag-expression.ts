import { isName } from './ids.ts'

/** `(news or sport) and not beta`, parsed. `not` binds tightest, then `and`, then `or`. */
export type TagExpression =
  | { readonly kind: 'tag'; readonly tag: string }
  | { readonly kind: 'not'; readonly of: TagExpression }
  | { readonly kind: 'and' | 'or'; readonly left: TagExpression; readonly right: TagExpression }

export type ParsedTagExpression =
  | { readonly ok: true; readonly expression: TagExpression }
  | { readonly ok: false; readonly detail: string }

const MAX_TOKENS = 200
const MAX_DEPTH = 32

class Refusal extends Error {}

/** Parse a tag expression; the detail of an error names the place, counted in words from 1. */
export function parseTagExpression(text: string): ParsedTagExpression {
  try {
    const reader = new Reader(text)
    const expression = reader.or(0)
    reader.end()
    return { ok: true, expression }
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, detail: error.message }
    throw error
  }
}

/** The tags an expression names, each once. */
export function tagsIn(expression: TagExpression): Set<string> {
  switch (expression.kind) {
    case 'tag':
      return new Set([expression.tag])
    case 'not':
      return tagsIn(expression.of)
    case 'and':
    case 'or':
      return new Set([...tagsIn(expression.left), ...tagsIn(expression.right)])
    default:
      return expression satisfies never
  }
}

class Reader {
  readonly #words: readonly string[]
  #at = 0

  constructor(text: string) {
    this.#words = text.match(/[()]|[^\s()]+/g) ?? []
    if (this.#words.length === 0)
      throw new Refusal('a tag expression must name at least one tag, e.g. "news and not beta"')
    if (this.#words.length > MAX_TOKENS)
      throw new Refusal(`a tag expression has at most ${MAX_TOKENS} words and brackets`)
  }

  or(depth: number): TagExpression {
    let left = this.#and(depth)
    while (this.#take('or')) left = { kind: 'or', left, right: this.#and(depth) }
    return left
  }

  end(): void {
    const word = this.#words[this.#at]
    if (word !== undefined) throw this.#refuse('"and", "or" or the end')
  }

  #and(depth: number): TagExpression {
    let left = this.#not(depth)
    while (this.#take('and')) left = { kind: 'and', left, right: this.#not(depth) }
    return left
  }

  #not(depth: number): TagExpression {
    if (depth > MAX_DEPTH) throw new Refusal(`a tag expression is at most ${MAX_DEPTH} levels deep`)
    if (this.#take('not')) return { kind: 'not', of: this.#not(depth + 1) }
    if (this.#take('(')) {
      const inner = this.or(depth + 1)
      if (!this.#take(')')) throw this.#refuse('")"')
      return inner
    }
    const word = this.#words[this.#at]
    if (word === undefined || !isName(word)) throw this.#refuse('a tag, "not" or "("')
    this.#at += 1
    return { kind: 'tag', tag: word }
  }

  #take(word: string): boolean {
    if (this.#words[this.#at] !== word) return false
    this.#at += 1
    return true
  }

  #refuse(wanted: string): Refusal {
    const found = this.#words[this.#at]
    return new Refusal(
      `expected ${wanted} at word ${this.#at + 1} of the tag expression, found ${found === undefined ? 'its end' : `"${found.slice(0, 40)}"`}`,
    )
  }
}
