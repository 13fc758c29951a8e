import * as z from 'zod'
import {
  groupElements,
  groupErrors,
  groupsSchema,
  lineElement,
  lineSchema,
  textStackingSchema,
} from './adaptive-content.ts'
import { imageErrors } from './content-values.ts'
import type { InputError } from './problem.ts'
import { imageUri } from './xml-attribute-types.ts'
import type { XmlElement } from './xml-element.ts'
import { element } from './xml-element.ts'

// A tile as JSON; it becomes one adaptive binding for each size given. Every text may hold placeholders.

const text = z.string().max(5000)

const tileImageSchema = z.union([
  z.string().min(1).max(2048),
  z.strictObject({
    src: z.string().min(1).max(2048),
    alt: text.optional(),
    crop: z.enum(['circle', 'none']).optional(),
    overlay: z.number().int().min(0).max(100).optional(),
  }),
])

const tileBindingSchema = z.strictObject({
  lines: z.array(lineSchema).max(20).optional(),
  image: tileImageSchema.optional(),
  backgroundImage: tileImageSchema.optional(),
  peekImage: tileImageSchema.optional(),
  groups: groupsSchema.optional(),
  textStacking: textStackingSchema.optional(),
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
    ...imageErrors([size, 'peekImage'], content[size]?.peekImage, imageUri),
    ...overlayErrors(size, content[size]?.image),
    ...groupErrors([size, 'groups'], content[size]?.groups),
  ])
}

// Windows darkens what is behind text, or in front of it for a moment; an image between lines has neither.
function overlayErrors(size: string, image: TileBinding['image']): InputError[] {
  return typeof image === 'object' && image.overlay !== undefined
    ? [
        {
          path: [size, 'image', 'overlay'],
          code: 'not-for-this-place',
          detail: 'overlay is for backgroundImage and peekImage; remove it',
        },
      ]
    : []
}

export function tileElement(content: TileContent): XmlElement {
  return element('tile', {}, [
    element(
      'visual',
      { branding: content.branding, displayName: content.displayName },
      sizeNames.map((size) => {
        const binding = content[size]
        return (
          binding !== undefined &&
          element(
            'binding',
            { template: sizes[size], 'hint-textStacking': binding.textStacking },
            bindingChildren(binding),
          )
        )
      }),
    ),
  ])
}

function bindingChildren({
  lines = [],
  image,
  backgroundImage,
  peekImage,
  groups,
}: TileBinding): (XmlElement | false)[] {
  return [
    peekImage !== undefined && tileImage(peekImage, 'peek'),
    backgroundImage !== undefined && tileImage(backgroundImage, 'background'),
    ...lines.map((line) => lineElement(line)),
    image !== undefined && tileImage(image),
    ...groupElements(groups),
  ]
}

function tileImage(image: z.infer<typeof tileImageSchema>, placement?: string): XmlElement {
  return typeof image === 'string'
    ? element('image', { placement, src: image })
    : element('image', {
        placement,
        src: image.src,
        alt: image.alt,
        'hint-crop': image.crop,
        'hint-overlay': image.overlay?.toString(),
      })
}
