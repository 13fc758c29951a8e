import * as z from 'zod'
import { groupElements, groupErrors, groupsSchema } from './adaptive-content.ts'
import { imageErrors, valueErrors } from './content-values.ts'
import type { InputError } from './problem.ts'
import { imageUri, progressValue, soundUri } from './xml-attribute-types.ts'
import type { XmlElement } from './xml-element.ts'
import { element } from './xml-element.ts'

// A toast as JSON; it becomes a ToastGeneric binding. Every text may hold placeholders.

const text = z.string().max(5000)
const name = z.string().min(1).max(256)

const placedImageSchema = z.strictObject({
  src: z.string().min(1).max(2048),
  placement: z.enum(['hero', 'appLogoOverride', 'inline']).optional(),
  alt: text.optional(),
  crop: z.enum(['circle', 'none']).optional(),
})
const toastImageSchema = z.union([z.string().min(1).max(2048), placedImageSchema])

const buttonSchema = z.strictObject({
  content: text,
  arguments: text,
  activationType: z.enum(['foreground', 'background', 'protocol', 'system']).optional(),
  imageUri: z.string().min(1).max(2048).optional(),
  inputId: name.optional(),
})

const inputSchema = z.strictObject({
  id: name,
  type: z.enum(['text', 'selection']),
  title: text.optional(),
  placeholder: text.optional(),
  defaultValue: text.optional(),
  selections: z
    .array(z.strictObject({ id: name, content: text }))
    .min(1)
    .max(5)
    .optional(),
})

export const toastContentSchema = z
  .strictObject({
    title: text.min(1),
    lines: z.array(text).max(20).optional(),
    image: toastImageSchema.optional(),
    images: z.array(placedImageSchema).max(8).optional(),
    attribution: text.optional(),
    groups: groupsSchema.optional(),
    progress: z
      .strictObject({
        title: text.optional(),
        value: z.union([z.number().min(0).max(1), text]),
        valueText: text.optional(),
        status: text,
      })
      .optional(),
    header: z.strictObject({ id: name, title: text.min(1), arguments: text }).optional(),
    launch: text.optional(),
    activationType: z.enum(['foreground', 'background', 'protocol']).optional(),
    buttons: z.array(buttonSchema).max(5).optional(),
    inputs: z.array(inputSchema).max(5).optional(),
    audio: z
      .strictObject({
        src: z.string().min(1).max(2048).optional(),
        loop: z.boolean().optional(),
        silent: z.boolean().optional(),
      })
      .optional(),
    scenario: z.enum(['reminder', 'alarm', 'incomingCall', 'urgent']).optional(),
    duration: z.enum(['short', 'long']).optional(),
    displayTimestamp: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'ToastContent' })
export type ToastContent = z.infer<typeof toastContentSchema>

/** The rules that the schema cannot express: ids are used once, references exist, Windows loads the URIs. */
export function lintToastContent(content: ToastContent): InputError[] {
  const { image, images = [], buttons = [], inputs = [] } = content
  const errors: InputError[] = [
    ...imageErrors(['image'], image, imageUri),
    ...images.flatMap((each, index) => imageErrors(['images', index], each, imageUri)),
    ...placementErrors(content),
    ...groupErrors(['groups'], content.groups),
    ...valueErrors(['progress', 'value'], content.progress?.value.toString(), progressValue),
    ...valueErrors(['audio', 'src'], content.audio?.src, soundUri),
    ...buttons.flatMap((button, index) => valueErrors(['buttons', index, 'imageUri'], button.imageUri, imageUri)),
  ]
  const inputError = (path: (string | number)[], code: string, detail: string): void => {
    errors.push({ path, code, detail })
  }
  const inputIds = new Set<string>()
  for (const [index, input] of inputs.entries()) {
    if (inputIds.has(input.id)) inputError(['inputs', index, 'id'], 'duplicate-id', 'another input has this id')
    inputIds.add(input.id)
    const ids = new Set<string>()
    for (const [at, { id }] of (input.selections ?? []).entries()) {
      if (ids.has(id))
        inputError(['inputs', index, 'selections', at, 'id'], 'duplicate-id', 'another selection has this id')
      ids.add(id)
    }
    if (input.type === 'text') {
      if (input.selections !== undefined)
        inputError(
          ['inputs', index, 'selections'],
          'not-for-this-type',
          'only an input of type selection has selections',
        )
    } else {
      if (input.selections === undefined)
        inputError(['inputs', index, 'selections'], 'missing', 'an input of type selection needs 1 to 5 selections')
      else if (input.defaultValue !== undefined && !ids.has(input.defaultValue))
        inputError(
          ['inputs', index, 'defaultValue'],
          'unknown-id',
          'the default of a selection is the id of one of its selections',
        )
      if (input.placeholder !== undefined)
        inputError(
          ['inputs', index, 'placeholder'],
          'not-for-this-type',
          'only an input of type text has a placeholder',
        )
    }
  }
  for (const [index, { inputId }] of buttons.entries())
    if (inputId !== undefined && !inputIds.has(inputId))
      inputError(['buttons', index, 'inputId'], 'unknown-id', 'there is no input with this id')
  return errors
}

/** A toast has one hero image and one logo. */
function placementErrors({ image, images = [] }: ToastContent): InputError[] {
  const taken = new Set(typeof image === 'object' ? [image.placement] : [])
  return images.flatMap(({ placement }, index) => {
    if (placement === undefined || placement === 'inline') return []
    if (taken.has(placement)) {
      const detail = `a toast shows one image with the placement ${placement}; remove one`
      return [{ path: ['images', index, 'placement'], code: 'duplicate-placement', detail }]
    }
    taken.add(placement)
    return []
  })
}

export function toastElement(content: ToastContent): XmlElement {
  const { title, lines = [], image, images = [], attribution, groups, progress, header } = content
  const { launch, activationType, scenario, duration, displayTimestamp } = content
  return element('toast', { launch, activationType, duration, displayTimestamp, scenario }, [
    header !== undefined && element('header', header),
    element('visual', {}, [
      element('binding', { template: 'ToastGeneric' }, [
        ...[title, ...lines].map((line) => element('text', {}, [line])),
        attribution !== undefined && element('text', { placement: 'attribution' }, [attribution]),
        ...[...(image === undefined ? [] : [image]), ...images].map((each) => toastImage(each)),
        ...groupElements(groups),
        progress !== undefined &&
          element('progress', {
            title: progress.title,
            value: progress.value.toString(),
            valueStringOverride: progress.valueText,
            status: progress.status,
          }),
      ]),
    ]),
    actions(content),
    audio(content.audio),
  ])
}

function toastImage(image: z.infer<typeof toastImageSchema>): XmlElement {
  if (typeof image === 'string') return element('image', { src: image })
  // A toast shows an image inline by default; older versions of Windows have no word for it.
  const placement = image.placement === 'inline' ? undefined : image.placement
  return element('image', { placement, src: image.src, alt: image.alt, 'hint-crop': image.crop })
}

// All inputs stand before all buttons: Windows rejects a toast that mixes them.
function actions({ buttons = [], inputs = [] }: ToastContent): XmlElement | false {
  return (
    buttons.length + inputs.length > 0 &&
    element('actions', {}, [
      ...inputs.map(({ id, type, title, placeholder, defaultValue, selections = [] }) =>
        element(
          'input',
          { id, type, title, placeHolderContent: placeholder, defaultInput: defaultValue },
          selections.map((selection) => element('selection', { id: selection.id, content: selection.content })),
        ),
      ),
      ...buttons.map((button) =>
        element('action', {
          content: button.content,
          arguments: button.arguments,
          activationType: button.activationType,
          imageUri: button.imageUri,
          'hint-inputId': button.inputId,
        }),
      ),
    ])
  )
}

function audio(wanted: ToastContent['audio']): XmlElement | false {
  return (
    wanted !== undefined &&
    element('audio', { src: wanted.src, loop: wanted.loop?.toString(), silent: wanted.silent?.toString() })
  )
}
