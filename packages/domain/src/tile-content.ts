import * as z from 'zod'
import { imageErrors } from './content-values.ts'
import type { InputError } from './problem.ts'
import { imageUri } from './xml-attribute-types.ts'
import type { XmlElement } from './xml-element.ts'
import { element } from './xml-element.ts'

// A tile as JSON; it becomes one adaptive binding for each size given. Every text may hold placeholders.

const text = z.string().max(5000)

const textStyles = ['caption', 'body', 'base', 'subtitle', 'title', 'subheader', 'header'].flatMap((style) =>
  ['title', 'subheader', 'header'].includes(style)
    ? [style, `${style}Subtle`, `${style}Numeral`]
    : [style, `${style}Subtle`],
)

const tileLineSchema = z.union([
  text,
  z.strictObject({ text, style: z.enum(textStyles).optional(), wrap: z.boolean().optional() }),
])

const tileImageSchema = z.union([
  z.string().min(1).max(2048),
  z.strictObject({
    src: z.string().min(1).max(2048),
    alt: text.optional(),
    crop: z.enum(['circle', 'none']).optional(),
  }),
])

const tileBindingSchema = z.strictObject({
  lines: z.array(tileLineSchema).max(20).optional(),
  image: tileImageSchema.optional(),
  backgroundImage: tileImageSchema.optional(),
})
type TileBinding = z.infer<typeof tileBindingSchema>

export const tileContentSchema = z
  .strictObject({
    small: tileBindingSchema.optional(),
    medium: tileBindingSchema.optional(),
    wide: tileBindingSchema.optional(),
    large: tileBindingSchema.optional(),
    branding: z.enum(['auto', 'none', 'logo', 'name', 'nameAndLogo']).optional(),
    displayName: text.optional(),
  })
  .meta({ id: 'TileContent' })
export type TileContent = z.infer<typeof tileContentSchema>

const sizes = { small: 'TileSmall', medium: 'TileMedium', wide: 'TileWide', large: 'TileLarge' } as const
const sizeNames = ['small', 'medium', 'wide', 'large'] as const

/** The rules that the schema cannot express: a tile has a binding, and its images are ones that Windows loads. */
export function lintTileContent(content: TileContent): InputError[] {
  if (sizeNames.every((size) => content[size] === undefined))
    return [{ path: [], code: 'missing', detail: 'a tile needs at least one of small, medium, wide and large' }]
  return sizeNames.flatMap((size) => [
    ...imageErrors([size, 'image'], content[size]?.image, imageUri),
    ...imageErrors([size, 'backgroundImage'], content[size]?.backgroundImage, imageUri),
  ])
}

export function tileElement(content: TileContent): XmlElement {
  return element('tile', {}, [
    element(
      'visual',
      { branding: content.branding, displayName: content.displayName },
      sizeNames.map((size) => {
        const binding = content[size]
        return binding !== undefined && element('binding', { template: sizes[size] }, bindingChildren(binding))
      }),
    ),
  ])
}

function bindingChildren({ lines = [], image, backgroundImage }: TileBinding): (XmlElement | false)[] {
  return [
    backgroundImage !== undefined && tileImage(backgroundImage, 'background'),
    ...lines.map((line) =>
      typeof line === 'string'
        ? element('text', {}, [line])
        : element('text', { 'hint-style': line.style, 'hint-wrap': line.wrap?.toString() }, [line.text]),
    ),
    image !== undefined && tileImage(image),
  ]
}

function tileImage(image: z.infer<typeof tileImageSchema>, placement?: string): XmlElement {
  return typeof image === 'string'
    ? element('image', { placement, src: image })
    : element('image', { placement, src: image.src, alt: image.alt, 'hint-crop': image.crop })
}
