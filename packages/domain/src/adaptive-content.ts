import * as z from 'zod'
import { imageErrors } from './content-values.ts'
import type { InputError } from './problem.ts'
import { imageUri } from './xml-attribute-types.ts'
import type { XmlElement } from './xml-element.ts'
import { element } from './xml-element.ts'

// What toasts and tiles have in common: lines with a style, and columns of them.

const text = z.string().max(5000)

const textStyles = ['caption', 'body', 'base', 'subtitle', 'title', 'subheader', 'header'].flatMap((style) =>
  ['title', 'subheader', 'header'].includes(style)
    ? [style, `${style}Subtle`, `${style}Numeral`]
    : [style, `${style}Subtle`],
)

export const lineSchema = z.union([
  text,
  z.strictObject({
    text,
    style: z.enum(textStyles).optional(),
    wrap: z.boolean().optional(),
    align: z.enum(['auto', 'left', 'center', 'right']).optional(),
    maxLines: z.number().int().min(1).max(20).optional(),
  }),
])

export const textStackingSchema = z.enum(['top', 'center', 'bottom'])

const groupImageSchema = z.strictObject({
  src: z.string().min(1).max(2048),
  alt: text.optional(),
  crop: z.enum(['circle', 'none']).optional(),
  align: z.enum(['stretch', 'left', 'center', 'right']).optional(),
  removeMargin: z.boolean().optional(),
})

const subgroupSchema = z.strictObject({
  weight: z.number().int().min(0).max(100).optional(),
  textStacking: textStackingSchema.optional(),
  image: groupImageSchema.optional(),
  lines: z.array(lineSchema).max(20).optional(),
})

/** Rows of columns, which Windows shows together or not at all. */
export const groupsSchema = z
  .array(z.array(subgroupSchema).min(1).max(10))
  .max(10)
  .meta({ description: 'Rows of columns below the lines; a row is shown as a whole or not at all.' })
type Groups = z.infer<typeof groupsSchema>

export function groupErrors(path: (string | number)[], groups: Groups = []): InputError[] {
  return groups.flatMap((columns, row) =>
    columns.flatMap(({ image }, column) => imageErrors([...path, row, column, 'image'], image, imageUri)),
  )
}

export function groupElements(groups: Groups = []): XmlElement[] {
  return groups.map((columns) =>
    element(
      'group',
      {},
      columns.map(({ weight, textStacking, image, lines = [] }) =>
        element('subgroup', { 'hint-weight': weight?.toString(), 'hint-textStacking': textStacking }, [
          image !== undefined &&
            element('image', {
              src: image.src,
              alt: image.alt,
              'hint-crop': image.crop,
              'hint-align': image.align,
              'hint-removeMargin': image.removeMargin?.toString(),
            }),
          ...lines.map((line) => lineElement(line)),
        ]),
      ),
    ),
  )
}

export function lineElement(line: z.infer<typeof lineSchema>): XmlElement {
  if (typeof line === 'string') return element('text', {}, [line])
  return element(
    'text',
    {
      'hint-style': line.style,
      'hint-wrap': line.wrap?.toString(),
      'hint-align': line.align,
      'hint-maxLines': line.maxLines?.toString(),
    },
    [line.text],
  )
}
