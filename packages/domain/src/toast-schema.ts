import {
  anyInteger,
  anyText,
  baseUri,
  branding,
  imageUri,
  integer,
  language,
  oneOf,
  progressValue,
  someText,
  soundUri,
  textStacking,
  textStyle,
  timestamp,
  trueOrFalse,
} from './xml-attribute-types.ts'
import type { DocumentSchema, Findings } from './xml-schema.ts'
import { checkElements, childrenNamed, fixedValue, hasPlaceholder } from './xml-schema.ts'
import type { XmlNode } from './xml.ts'

// The toast document as Windows reads it. Sources:
// https://learn.microsoft.com/uwp/schemas/tiles/toastschema/schema-root (elements, attributes, counts),
// https://learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/toast-schema (order and limits of
// texts, five buttons and context menu items together, five selections),
// https://learn.microsoft.com/uwp/api/windows.ui.notifications.toasttemplatetype (the templates of Windows 8).

const activation = oneOf('foreground', 'background', 'protocol', 'system')
const image = {
  id: anyInteger,
  src: imageUri,
  alt: anyText,
  addImageQuery: trueOrFalse,
  placement: oneOf('inline', 'hero', 'appLogoOverride'),
  'hint-crop': oneOf('none', 'circle', 'default'),
  'hint-align': oneOf('stretch', 'left', 'center', 'right', 'default'),
  'hint-removeMargin': trueOrFalse,
  'hint-overlay': integer(0, 100),
}

export const toastSchema: DocumentSchema = {
  toast: {
    attributes: {
      launch: anyText,
      duration: oneOf('short', 'long'),
      displayTimestamp: timestamp,
      scenario: oneOf('default', 'reminder', 'alarm', 'incomingCall', 'urgent'),
      useButtonStyle: trueOrFalse,
      activationType: activation,
      protocolActivationTargetApplicationPfn: anyText,
      'hint-people': anyText,
      'hint-toastId': anyText,
    },
    children: ['visual', 'audio', 'commands', 'actions', 'header'],
  },
  visual: {
    attributes: { version: anyInteger, lang: language, baseUri, branding, addImageQuery: trueOrFalse },
    children: ['binding'],
  },
  binding: {
    attributes: {
      template: someText,
      fallback: anyText,
      lang: language,
      baseUri,
      branding,
      addImageQuery: trueOrFalse,
      experienceType: anyText,
    },
    required: ['template'],
    children: ['text', 'image', 'group', 'progress'],
  },
  text: {
    attributes: {
      id: anyInteger,
      lang: language,
      placement: oneOf('attribution'),
      'hint-style': textStyle,
      'hint-wrap': trueOrFalse,
      'hint-maxLines': anyInteger,
      'hint-minLines': anyInteger,
      'hint-align': oneOf('auto', 'left', 'center', 'right', 'default'),
      'hint-callScenarioCenterAlign': trueOrFalse,
    },
    holdsText: true,
  },
  image: { attributes: image, required: ['src'] },
  group: { attributes: {}, children: ['subgroup'] },
  subgroup: {
    attributes: { 'hint-weight': integer(0, 100), 'hint-textStacking': textStacking },
    children: ['text', 'image'],
  },
  progress: {
    attributes: { title: anyText, status: anyText, value: progressValue, valueStringOverride: anyText },
    required: ['status', 'value'],
  },
  audio: { attributes: { src: soundUri, loop: trueOrFalse, silent: trueOrFalse } },
  header: {
    attributes: {
      id: someText,
      title: someText,
      arguments: anyText,
      activationType: oneOf('foreground', 'protocol'),
      protocolActivationTargetApplicationPfn: anyText,
    },
    required: ['id', 'title', 'arguments'],
  },
  commands: { attributes: { scenario: oneOf('alarm', 'incomingCall') }, children: ['command'] },
  command: {
    attributes: { id: oneOf('snooze', 'dismiss', 'video', 'voice', 'decline'), arguments: anyText },
  },
  actions: {
    attributes: { 'hint-systemCommands': oneOf('SnoozeAndDismiss') },
    children: ['input', 'action'],
  },
  input: {
    attributes: {
      id: someText,
      type: oneOf('text', 'selection'),
      title: anyText,
      placeHolderContent: anyText,
      defaultInput: anyText,
    },
    required: ['id', 'type'],
    children: ['selection'],
  },
  selection: { attributes: { id: someText, content: anyText }, required: ['id', 'content'] },
  action: {
    attributes: {
      content: anyText,
      arguments: anyText,
      activationType: activation,
      afterActivationBehavior: oneOf('default', 'pendingUpdate'),
      protocolActivationTargetApplicationPfn: anyText,
      placement: oneOf('inline', 'contextMenu'),
      imageUri,
      'hint-inputId': anyText,
      'hint-buttonStyle': oneOf('Success', 'Critical'),
      'hint-toolTip': anyText,
      'hint-actionId': anyText,
    },
    required: ['content', 'arguments'],
  },
}

/** The templates of Windows 8, with the numbers of images and texts that they show. */
const legacyTemplates: ReadonlyMap<string, readonly [images: number, texts: number]> = new Map([
  ['ToastText01', [0, 1]],
  ['ToastText02', [0, 2]],
  ['ToastText03', [0, 2]],
  ['ToastText04', [0, 3]],
  ['ToastImageAndText01', [1, 1]],
  ['ToastImageAndText02', [1, 2]],
  ['ToastImageAndText03', [1, 2]],
  ['ToastImageAndText04', [1, 3]],
])

const MAX_ACTIONS = 5
const MAX_INPUTS = 5
const MAX_SELECTIONS = 5
const MAX_SHOWN_TEXTS = 3

/** Judge a toast document; values with placeholders are judged for each recipient. */
export function checkToast(toast: XmlNode, findings: Findings): void {
  checkElements(toast, toastSchema, findings)
  for (const name of toastSchema['toast']?.children ?? []) {
    const [, second] = childrenNamed(toast, name)
    if (second !== undefined) findings.error(second, 'xml-element', `<toast> may hold only one <${name}>`)
  }
  const [visual] = childrenNamed(toast, 'visual')
  if (visual === undefined) findings.error(toast, 'xml-nothing-shown', '<toast> needs a <visual> with a <binding>')
  else checkVisual(visual, findings)
  for (const actions of childrenNamed(toast, 'actions')) checkActions(actions, findings)
  const [commands] = childrenNamed(toast, 'commands')
  if (commands !== undefined)
    findings.warn(commands, 'xml-obsolete', '<commands> is obsolete; use scenario of <toast> and <actions>')
  const [audio] = childrenNamed(toast, 'audio')
  if (audio !== undefined && fixedValue(audio, 'loop') === 'true' && !toast.attributes.has('duration'))
    if (!['alarm', 'incomingCall'].includes(fixedValue(toast, 'scenario') ?? ''))
      findings.warn(audio, 'xml-audio', 'a sound is repeated only in a toast with duration="long"')
}

function checkVisual(visual: XmlNode, findings: Findings): void {
  const [binding, second] = childrenNamed(visual, 'binding')
  if (binding === undefined) {
    findings.error(visual, 'xml-nothing-shown', '<visual> needs a <binding template="ToastGeneric">')
    return
  }
  if (second !== undefined) findings.warn(second, 'xml-element', 'Windows shows only one <binding> of a toast')
  for (const each of childrenNamed(visual, 'binding')) checkBinding(each, findings)
}

function checkBinding(binding: XmlNode, findings: Findings): void {
  const template = binding.attributes.get('template')
  if (template === undefined) return
  const known = ['ToastGeneric', ...legacyTemplates.keys()]
  if (hasPlaceholder(template) || !known.includes(template.marked)) {
    const meant = known.find((name) => name.toLowerCase() === template.marked.toLowerCase())
    const hint = meant === undefined ? `write ToastGeneric; others are ${known.slice(1).join(', ')}` : `write ${meant}`
    findings.error(binding, 'xml-template', `there is no such template for a toast; ${hint}`)
    return
  }
  if (!showsSomething(binding))
    findings.error(binding, 'xml-nothing-shown', '<binding> shows nothing; give it a <text> that is not empty')
  const limits = legacyTemplates.get(template.marked)
  if (limits === undefined) checkGeneric(binding, findings)
  else checkLegacy(binding, limits, findings)
}

/** Whether an element has a text that is not blank, an image or a progress bar; a placeholder counts as a text. */
export function showsSomething(node: XmlNode): boolean {
  if (node.name === 'text') return node.texts.some(({ marked }) => marked.trim() !== '')
  return node.name === 'image' || node.name === 'progress' || node.children.some(showsSomething)
}

function checkGeneric(binding: XmlNode, findings: Findings): void {
  const lines = childrenNamed(binding, 'text').filter((text) => fixedValue(text, 'placement') !== 'attribution')
  const tooMany = lines[MAX_SHOWN_TEXTS]
  if (tooMany !== undefined)
    findings.warn(tooMany, 'xml-too-many', `a toast shows ${MAX_SHOWN_TEXTS} texts; further ones are dropped`)
  const firstOther = binding.children.findIndex(({ name }) => name !== 'text')
  const late = firstOther < 0 ? undefined : lines.find((line) => binding.children.indexOf(line) > firstOther)
  if (late !== undefined && binding.children.some(({ name }) => name === 'group' || name === 'progress'))
    findings.warn(late, 'xml-order', 'a <text> behind a <group> or <progress> is moved to the top or dropped')
  for (const placement of ['hero', 'appLogoOverride']) {
    const images = childrenNamed(binding, 'image').filter((each) => fixedValue(each, 'placement') === placement)
    if (images[1] !== undefined)
      findings.warn(images[1], 'xml-too-many', `a toast shows one image with placement="${placement}"`)
  }
  for (const group of childrenNamed(binding, 'group'))
    if (group.children.length === 0) findings.warn(group, 'xml-nothing-shown', '<group> needs a <subgroup>')
}

function checkLegacy(binding: XmlNode, [images, texts]: readonly [number, number], findings: Findings): void {
  for (const [name, most] of [
    ['image', images],
    ['text', texts],
  ] as const) {
    const found = childrenNamed(binding, name)
    const tooMany = found[most]
    if (tooMany !== undefined)
      findings.warn(tooMany, 'xml-too-many', `this template shows ${most} of <${name}>; use ToastGeneric for more`)
    const unnumbered = found.find((each) => !each.attributes.has('id'))
    if (unnumbered !== undefined)
      findings.warn(unnumbered, 'xml-attribute-missing', `<${name}> of this template needs an id from 1`)
  }
  for (const other of binding.children.filter(({ name }) => name === 'group' || name === 'progress'))
    findings.error(other, 'xml-element', `<${other.name}> is only for the template ToastGeneric`)
}

function checkActions(actions: XmlNode, findings: Findings): void {
  const inputs = childrenNamed(actions, 'input')
  const buttons = childrenNamed(actions, 'action')
  if (inputs[MAX_INPUTS] !== undefined)
    findings.error(
      inputs[MAX_INPUTS],
      'xml-too-many',
      `a toast has at most ${MAX_INPUTS} inputs; found ${inputs.length}`,
    )
  if (buttons[MAX_ACTIONS] !== undefined)
    findings.error(
      buttons[MAX_ACTIONS],
      'xml-too-many',
      `a toast has at most ${MAX_ACTIONS} actions, context menu items included; found ${buttons.length}`,
    )
  const firstAction = actions.children.findIndex(({ name }) => name === 'action')
  const late = actions.children.find(({ name }, index) => name === 'input' && firstAction >= 0 && index > firstAction)
  if (late !== undefined) findings.error(late, 'xml-order', 'every <input> must stand before the first <action>')
  if (actions.children.length === 0 && !actions.attributes.has('hint-systemCommands'))
    findings.warn(actions, 'xml-nothing-shown', '<actions> has no action and no input')
  const ids = checkIds(inputs, findings)
  for (const input of inputs) checkInput(input, findings)
  for (const button of buttons) checkButton(button, ids, findings)
}

/** The ids that are the same for every recipient; two elements of a kind cannot share one. */
function checkIds(nodes: readonly XmlNode[], findings: Findings): ReadonlySet<string> | undefined {
  const ids = new Set<string>()
  for (const node of nodes) {
    const id = fixedValue(node, 'id')
    if (id === undefined) continue
    if (ids.has(id)) findings.error(node, 'xml-duplicate-id', `another <${node.name}> has this id`)
    ids.add(id)
  }
  return nodes.some((node) => node.attributes.has('id') && fixedValue(node, 'id') === undefined) ? undefined : ids
}

function checkInput(input: XmlNode, findings: Findings): void {
  const selections = childrenNamed(input, 'selection')
  const ids = checkIds(selections, findings)
  if (selections[MAX_SELECTIONS] !== undefined)
    findings.error(
      selections[MAX_SELECTIONS],
      'xml-too-many',
      `an input has at most ${MAX_SELECTIONS} selections; found ${selections.length}`,
    )
  const type = fixedValue(input, 'type')?.toLowerCase()
  if (type === 'text' && selections[0] !== undefined)
    findings.warn(selections[0], 'xml-element', 'only an input with type="selection" shows selections')
  if (type !== 'selection') return
  if (selections.length === 0)
    findings.error(input, 'xml-element-missing', 'an input with type="selection" needs 1 to 5 selections')
  const chosen = fixedValue(input, 'defaultInput')
  if (chosen !== undefined && ids !== undefined && selections.length > 0 && !ids.has(chosen))
    findings.error(input, 'xml-unknown-id', 'defaultInput must be the id of a selection of this input')
}

function checkButton(button: XmlNode, inputs: ReadonlySet<string> | undefined, findings: Findings): void {
  const input = fixedValue(button, 'hint-inputId')
  if (input !== undefined && inputs !== undefined && !inputs.has(input))
    findings.error(button, 'xml-unknown-id', 'hint-inputId must be the id of an <input>')
  const target = fixedValue(button, 'arguments')
  if (
    fixedValue(button, 'activationType') === 'protocol' &&
    target !== undefined &&
    !/^[a-z][a-z0-9+.-]*:/i.test(target)
  )
    findings.warn(button, 'xml-attribute-value', 'arguments of an action with activationType="protocol" must be a URI')
}
