import { answerFields } from './fields-answers.ts'
import { appFields } from './fields-apps.ts'
import { auditFields } from './fields-audit.ts'
import { campaignFields } from './fields-campaigns.ts'
import { channelFields } from './fields-channels.ts'
import { eventFields } from './fields-events.ts'
import { limitFields } from './fields-limits.ts'
import { notificationFields } from './fields-notifications.ts'
import type { FieldTexts } from './field-texts.ts'

const byName: FieldTexts = {
  ...appFields,
  ...channelFields,
  ...campaignFields,
  ...notificationFields,
  ...answerFields,
  ...auditFields,
  ...eventFields,
  ...limitFields,
}

/** The texts of a field; those of a field in this parent come first. */
export function textsOf(parents: readonly string[], name: string): FieldTexts[string] | undefined {
  for (const parent of parents) {
    const found = byName[`${parent}.${name}`]
    if (found !== undefined) return found
  }
  return byName[name]
}
