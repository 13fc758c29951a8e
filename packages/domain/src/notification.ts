import * as z from 'zod'
import { tileContentSchema } from './tile-content.ts'
import { toastContentSchema } from './toast-content.ts'

// The schema defines the shape. Rules about values and about combinations of fields are in `lintNotification`, so that
// a caller gets all errors at once; the JSON schema documents them too (`meta`).

export const notificationTypes = ['toast', 'tile', 'badge', 'raw'] as const
export type NotificationType = (typeof notificationTypes)[number]

/** Largest payload WNS takes, in UTF-8 bytes, for every type; it answers 413 above. */
export const MAX_PAYLOAD_BYTES = 5000
/** Longest time to live: a campaign ends within seven days, and later deliveries are not counted. */
export const MAX_TTL_SECONDS = 604_800
/** `X-WNS-Tag` and `X-WNS-Group`. WNS documents 16 alphanumerics; only the device's own API takes more. */
export const wnsLabelPattern = /^[A-Za-z0-9]{1,16}$/
/** The id of a toast collection. WNS publishes no grammar; these characters are safe in a header everywhere. */
export const collectionIdPattern = /^[A-Za-z0-9._~-]{1,64}$/
export const MAX_VARIANTS = 100

const xml = z.string().meta({ description: 'The XML as it is sent; may hold {{vars.name}} or {{vars.name|fallback}}.' })
const text = z
  .string()
  .meta({ description: 'Text of a raw notification; may hold placeholders, values go in as they are.' })
const base64 = z.string().meta({ contentEncoding: 'base64' })
const value = z
  .union([z.number(), z.string().max(200)])
  .meta({ description: 'An integer from 0 to 2147483647, a glyph such as alert, or one placeholder.' })

const options = {
  ttlSeconds: z.number().meta({ type: 'integer', minimum: 1, maximum: MAX_TTL_SECONDS }).optional(),
  wnsTag: z.string().meta({ pattern: wnsLabelPattern.source, description: 'Only toast and tile.' }).optional(),
  wnsGroup: z.string().meta({ pattern: wnsLabelPattern.source, description: 'Only toast.' }).optional(),
  cachePolicy: z.enum(['cache', 'no-cache']).optional(),
  wnsPriority: z
    .number()
    .meta({ type: 'integer', minimum: 1, maximum: 4, description: '1 high, 2 medium, 3 low, 4 very low.' })
    .optional(),
  suppressPopup: z.boolean().meta({ description: 'Only toast.' }).optional(),
  collectionId: z.string().meta({ pattern: collectionIdPattern.source, description: 'Only toast.' }).optional(),
  requestForStatus: z.boolean().meta({ description: 'Default: true for raw, false for the rest.' }).optional(),
}

function exactlyOne(...fields: string[]) {
  return { oneOf: fields.map((field) => ({ required: [field] })) }
}

// Bodies are optional here, and the lint requires exactly one: a union of objects would report the errors of one of its
// branches only.
function notificationOf<Type extends NotificationType, Body extends z.ZodRawShape>(type: Type, body: Body) {
  const one = exactlyOne(...Object.keys(body))
  return z
    .strictObject({
      type: z.literal(type),
      ...body,
      ...options,
      variants: z
        .record(z.string(), z.strictObject(body).meta(one))
        .meta({ description: `Other bodies by BCP 47 locale, at most ${MAX_VARIANTS}.` })
        .optional(),
    })
    .meta(one)
}

export const notificationSchema = z
  .discriminatedUnion('type', [
    notificationOf('toast', { xml: xml.optional(), content: toastContentSchema.optional() }),
    notificationOf('tile', { xml: xml.optional(), content: tileContentSchema.optional() }),
    notificationOf('badge', { xml: xml.optional(), value: value.optional() }),
    notificationOf('raw', { text: text.optional(), base64: base64.optional() }),
  ])
  .meta({ id: 'Notification' })

/** The message of a campaign, the same for all recipients or personalized. Pass it through `lintNotification` once. */
export type Notification = z.infer<typeof notificationSchema>
