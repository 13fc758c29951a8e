import { anyInteger, badgeValue } from './xml-attribute-types.ts'
import type { DocumentSchema, Findings } from './xml-schema.ts'
import { checkElements } from './xml-schema.ts'
import type { XmlNode } from './xml.ts'

// The badge document. Source: https://learn.microsoft.com/uwp/schemas/tiles/badgeschema/element-badge.

export const badgeSchema: DocumentSchema = {
  badge: { attributes: { value: badgeValue, version: anyInteger }, required: ['value'] },
}

/** Judge a badge document; a value with placeholders is judged for each recipient. */
export function checkBadge(badge: XmlNode, findings: Findings): void {
  checkElements(badge, badgeSchema, findings)
}
