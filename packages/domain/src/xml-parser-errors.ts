// The parser's messages in our own words, so that no text of a library reaches a user. `tag` is the element that was
// closed last.

const words: readonly (readonly [pattern: RegExp, words: (tag: string) => string])[] = [
  [/disallowed character in attribute name/, () => 'an attribute is not valid here; write name="value"'],
  [/disallowed character in closing tag|empty close tag/, () => 'a closing tag must be </name>'],
  [
    /disallowed character in (?:opening )?tag|malformed name/,
    () => 'write &lt; for a literal <, or a valid tag <name>',
  ],
  [/attribute without value/, () => 'an attribute has no value; write name="value"'],
  [/unquoted attribute value/, () => 'the value of an attribute must be in quotes; write name="value"'],
  [/no whitespace between attributes/, () => 'a blank must stand between two attributes'],
  [/duplicate attribute/, () => 'an attribute is given twice'],
  [/malformed comment/, () => 'a comment cannot contain "--"'],
  [/"\]\]>" is disallowed/, () => 'write ]]&gt; for a literal ]]>'],
  [/text data outside of root/, () => 'there is text outside the root element; remove it'],
  [/only one root/, () => 'there is a second root element; remove it'],
  [/must contain a root/, () => 'the document has no root element'],
  [/unclosed tag/, (tag) => `${named(tag)} is not closed`],
  [/unexpected close tag/, (tag) => `${named(tag)} is not closed before this closing tag`],
  [/unmatched closing tag/, () => 'this closing tag closes no open element'],
  [/unexpected end/, () => 'the document ends inside a tag, a comment or a section'],
  [/forward-slash in opening tag/, () => 'a / in a tag must be followed by >'],
  [/unbound namespace prefix/, () => 'the prefix of this name is not declared; remove it'],
  [/malformed character entity|entity/, () => 'this reference stands for no character that XML 1.0 can hold'],
  [/prefix|namespace/, () => 'this namespace declaration is not valid; remove it'],
  [/disallowed character/, () => 'write &lt; for a literal <'],
]

function named(tag: string): string {
  return tag === '' ? 'an element' : `<${tag.slice(0, 100)}>`
}

/** What a message of the parser means, for people. */
export function wordsFor(positioned: string, tag: string): string {
  const message = positioned.replace(/^\d+:\d+: /, '')
  const unclosed = /^unclosed tag: (.*)$/.exec(message)?.[1]
  const found = words.find(([pattern]) => pattern.test(message))
  return found?.[1](unclosed ?? tag) ?? 'this is not well-formed XML'
}
