import type { InputError } from './problem.ts'
import { parseTemplate } from './template.ts'
import type { AttributeType } from './xml-attribute-types.ts'

type ImageSource = string | { readonly src: string } | undefined

/** The error of a value that is the same for all recipients and not of the type of its attribute. */
export function valueErrors(path: (string | number)[], value: string | undefined, type: AttributeType): InputError[] {
  if (value === undefined || type.takes(value)) return []
  const parsed = parseTemplate(value)
  // Values of recipients are judged when they are known, and what is not a template has its own errors.
  if (!parsed.ok || parsed.template.isPersonalized) return []
  return [{ path, code: 'wrong-value', detail: `this must be ${type.wanted}` }]
}

/** The error of an image of which the source, given alone or as `src`, is not one. */
export function imageErrors(path: (string | number)[], image: ImageSource, type: AttributeType): InputError[] {
  return typeof image === 'object' ? valueErrors([...path, 'src'], image.src, type) : valueErrors(path, image, type)
}
