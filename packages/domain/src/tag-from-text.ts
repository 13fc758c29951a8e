import { isName } from './ids.ts'

/** Letters that do not decompose into a base letter and a mark. */
const letters: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  þ: 'th',
  ı: 'i',
}
const LONGEST = 40

/**
 * The tag for a free text such as the name of a city: `São Paulo` is `sao-paulo`, `St. John's` is `st-johns`. Undefined
 * for a text without a Latin letter or a digit.
 */
export function tagFromText(text: string): string | undefined {
  const plain = text
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[ßæœøđðłþı]/g, (letter) => letters[letter] ?? '')
    .replaceAll(/['’ʼ`´]/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+/g, '')
    .slice(0, LONGEST)
    .replaceAll(/-+$/g, '')
  if (plain === '') return undefined
  // The words of tag expressions are no tags.
  return isName(plain) ? plain : `tag-${plain}`
}
