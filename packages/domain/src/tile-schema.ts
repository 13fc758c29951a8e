import { adaptiveTileTemplates, legacyTileTemplates, tileTemplatesOfWindows8 } from './tile-templates.ts'
import { showsSomething } from './toast-schema.ts'
import {
  anyInteger,
  anyText,
  baseUri,
  branding,
  imageUri,
  integer,
  language,
  oneOf,
  someText,
  textStacking,
  textStyle,
  trueOrFalse,
} from './xml-attribute-types.ts'
import type { DocumentSchema, Findings } from './xml-schema.ts'
import { checkElements, childrenNamed, fixedValue, hasPlaceholder } from './xml-schema.ts'
import type { XmlNode } from './xml.ts'

// The tile document as Windows reads it. Sources:
// https://learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/adaptive-tiles-schema,
// …/tile-schema (lock screen texts, arguments), …/special-tile-templates-catalog (photos, people) and
// https://learn.microsoft.com/uwp/schemas/tiles/tilesschema/schema-root (templates of Windows 8 and 8.1).

const shared = {
  lang: language,
  baseUri,
  branding,
  addImageQuery: trueOrFalse,
  contentId: anyText,
  displayName: anyText,
  arguments: anyText,
  'hint-lockDetailedStatus1': anyText,
  'hint-lockDetailedStatus2': anyText,
  'hint-lockDetailedStatus3': anyText,
}

export const tileSchema: DocumentSchema = {
  tile: { attributes: {}, children: ['visual'] },
  visual: { attributes: { ...shared, version: anyInteger }, children: ['binding'] },
  binding: {
    attributes: {
      ...shared,
      template: someText,
      fallback: oneOf(...tileTemplatesOfWindows8),
      'hint-textStacking': textStacking,
      'hint-overlay': integer(0, 100),
      'hint-presentation': oneOf('photos', 'people', 'contact'),
    },
    required: ['template'],
    children: ['text', 'image', 'group'],
  },
  text: {
    attributes: {
      id: anyInteger,
      lang: language,
      'hint-style': textStyle,
      'hint-wrap': trueOrFalse,
      'hint-maxLines': anyInteger,
      'hint-minLines': anyInteger,
      'hint-align': oneOf('auto', 'left', 'center', 'right', 'default'),
    },
    holdsText: true,
  },
  image: {
    attributes: {
      id: anyInteger,
      src: imageUri,
      alt: anyText,
      addImageQuery: trueOrFalse,
      placement: oneOf('inline', 'background', 'peek'),
      'hint-crop': oneOf('none', 'circle', 'default'),
      'hint-removeMargin': trueOrFalse,
      'hint-align': oneOf('stretch', 'left', 'center', 'right', 'default'),
      'hint-overlay': integer(0, 100),
    },
    required: ['src'],
  },
  group: { attributes: {}, children: ['subgroup'] },
  subgroup: {
    attributes: { 'hint-weight': integer(0, 100), 'hint-textStacking': textStacking },
    children: ['text', 'image'],
  },
}

const adaptive = new Set<string>(adaptiveTileTemplates)
const known = new Set<string>([...adaptive, ...legacyTileTemplates])
const MAX_PHOTOS = 12

/** Judge a tile document; values with placeholders are judged for each recipient. */
export function checkTile(tile: XmlNode, findings: Findings): void {
  checkElements(tile, tileSchema, findings)
  const [visual, second] = childrenNamed(tile, 'visual')
  if (second !== undefined) findings.error(second, 'xml-element', '<tile> may hold only one <visual>')
  if (visual === undefined) {
    findings.error(tile, 'xml-nothing-shown', '<tile> needs a <visual> with a <binding>')
    return
  }
  const bindings = childrenNamed(visual, 'binding')
  if (bindings.length === 0)
    findings.error(
      visual,
      'xml-nothing-shown',
      '<visual> needs a <binding> for each size, such as template="TileMedium"',
    )
  const templates = new Set<string>()
  for (const binding of bindings) {
    const template = fixedValue(binding, 'template')
    if (template !== undefined && templates.has(template))
      findings.warn(binding, 'xml-too-many', `another <binding> has the template ${template.slice(0, 100)}`)
    if (template !== undefined) templates.add(template)
    checkBinding(binding, findings)
  }
}

function checkBinding(binding: XmlNode, findings: Findings): void {
  const template = binding.attributes.get('template')
  if (template === undefined) return
  if (hasPlaceholder(template) || !known.has(template.marked)) {
    const meant = [...known].find((name) => name.toLowerCase() === template.marked.toLowerCase())
    const hint = `write ${meant ?? 'TileSmall, TileMedium, TileWide or TileLarge'}`
    findings.error(binding, 'xml-template', `there is no such template for a tile; ${hint}`)
    return
  }
  if (!showsSomething(binding)) findings.warn(binding, 'xml-nothing-shown', '<binding> shows neither text nor image')
  if (adaptive.has(template.marked)) checkAdaptive(binding, findings)
  else checkLegacy(binding, findings)
}

function checkAdaptive(binding: XmlNode, findings: Findings): void {
  const presentation = fixedValue(binding, 'hint-presentation')
  const photos = childrenNamed(binding, 'image')[MAX_PHOTOS]
  if (presentation === 'photos' && photos !== undefined)
    findings.warn(photos, 'xml-too-many', `Windows shows ${MAX_PHOTOS} photos; further ones are dropped`)
  for (const placement of ['background', 'peek']) {
    const images = childrenNamed(binding, 'image').filter((each) => fixedValue(each, 'placement') === placement)
    if (images[1] !== undefined)
      findings.warn(images[1], 'xml-too-many', `a tile shows one image with placement="${placement}"`)
  }
  for (const group of childrenNamed(binding, 'group'))
    if (group.children.length === 0) findings.warn(group, 'xml-nothing-shown', '<group> needs a <subgroup>')
}

function checkLegacy(binding: XmlNode, findings: Findings): void {
  for (const group of childrenNamed(binding, 'group'))
    findings.error(group, 'xml-element', '<group> is only for adaptive templates such as TileMedium')
  const unnumbered = binding.children.find(({ name, attributes }) => name !== 'group' && !attributes.has('id'))
  if (unnumbered !== undefined)
    findings.warn(unnumbered, 'xml-attribute-missing', `<${unnumbered.name}> of this template needs an id from 1`)
}
