import * as z from 'zod'

// C0 and C1 controls, line and paragraph separators, marks of direction, and the byte order mark.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const invisible = /[\0-\u001F\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF]/g

/**
 * The text with an escape `\uXXXX` for each character that controls a terminal or a log reader, or changes the order of
 * the displayed text. JSON stays the same JSON.
 */
export function visibleText(text: string): string {
  return text.replaceAll(invisible, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** A name or a reason for people, of 1 to `maxLength` characters: one line, and nothing invisible in it. */
export function labelSchema(maxLength: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(maxLength)
    .refine((text) => visibleText(text) === text, {
      error: 'it must be one line of visible text; remove control characters and marks of direction',
    })
}
