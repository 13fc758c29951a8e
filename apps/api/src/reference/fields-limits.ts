import type { FieldTexts } from './field-texts.ts'

const DIGEST = 'Qm9xV2k0c1Z3dEh5a0p6TG1Oa1B4UXJT'

/** Fields that confirm and limit what an app sends. */
export const limitFields: FieldTexts = {
  confirmAbove: ['Recipients above which a campaign needs the `confirm` of its dry run.', 10_000],
  limits: ['What the app may use. Only a key for all apps changes it.', null],
  recipientsPerDay: ['', 2_000_000],
  recipientsPerKeyAndDay: ['', 500_000],
  unfinishedCampaigns: ['', 1000],
  'Estimate.confirm': ['', null],
  confirm: ['', DIGEST],
  'confirm.digest': ['The text to send as `confirm`.', DIGEST],
  'confirm.expiresAt': ['Until when it is valid.', '2026-03-01T08:40:00.000Z'],
}
