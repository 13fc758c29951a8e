import { isIP } from 'node:net'
import * as z from 'zod'
import { createdBySchema } from './api-key.ts'
import { appEventTypes, eventCursorSchema } from './app-event.ts'
import { appIdSchema, webhookNameSchema } from './ids.ts'

const SECRET_PREFIX = 'whsec_'
const [MIN_SECRET_BYTES, MAX_SECRET_BYTES] = [24, 64]

const webhookUrl = z
  .string()
  .max(2048)
  .superRefine((text, context) => {
    const error = urlError(text)
    if (error !== undefined) context.addIssue({ code: 'custom', message: error })
  })
  .meta({ description: 'Where events are posted to: https, and a host name.', example: 'https://example.com/hooks' })

const secret = z
  .string()
  .refine((text) => secretBytes(text) !== undefined, {
    error: `secret must be ${SECRET_PREFIX} and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`,
  })
  .meta({ description: 'Signs the events. Absent: the one that is set stays, and a new webhook gets a random one.' })

export const webhookRequestSchema = z
  .strictObject({
    url: webhookUrl,
    types: z
      .array(z.enum(appEventTypes))
      .min(1)
      .optional()
      .meta({ description: 'The types of events that it gets. Absent: all, also those of later versions.' }),
    enabled: z.boolean().optional().meta({ description: 'Default true.' }),
    secret: secret.optional(),
  })
  .meta({ id: 'WebhookRequest' })
export type WebhookRequest = z.infer<typeof webhookRequestSchema>

export const webhookSchema = z
  .object({
    webhook: webhookNameSchema,
    app: appIdSchema,
    url: z.string(),
    types: z.array(z.enum(appEventTypes)).optional(),
    enabled: z.boolean(),
    disabledReason: z.string().optional().meta({ description: 'Why it was disabled, unless you disabled it.' }),
    secret: z
      .string()
      .optional()
      .meta({ description: 'Only in the answer to the request for which it was made; it is never shown again.' }),
    createdAt: z.string(),
    createdBy: createdBySchema,
    updatedAt: z.string(),
    delivery: z
      .object({
        cursor: eventCursorSchema.meta({ description: 'Events up to this one are delivered or given up.' }),
        failures: z.number().int().meta({ description: 'Failed attempts since the last success.' }),
        nextAttemptAt: z.string().optional().meta({ description: 'Absent unless the last attempt failed.' }),
        lastProblem: z.string().optional().meta({ description: 'Of the last attempt, if it failed.' }),
      })
      .meta({ description: 'How far the events are delivered.' }),
  })
  .meta({ id: 'Webhook' })
/** What the API shows of a webhook. */
export type Webhook = z.infer<typeof webhookSchema>

export const webhookTestSchema = z
  .object({
    delivered: z.boolean(),
    status: z.number().int().optional().meta({ description: 'The status of the answer, if there was one.' }),
    problem: z.string().optional().meta({ description: 'Why it was not delivered.' }),
    durationMs: z.number(),
  })
  .meta({ id: 'WebhookTest' })
/** How the test event of a webhook was answered. */
export type WebhookTest = z.infer<typeof webhookTestSchema>

/** The bytes with which a secret signs; undefined for a text that is no secret of a webhook. */
export function secretBytes(text: string): Buffer | undefined {
  const encoded = text.startsWith(SECRET_PREFIX) ? text.slice(SECRET_PREFIX.length) : undefined
  if (encoded === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return undefined
  const bytes = Buffer.from(encoded, 'base64')
  return bytes.length >= MIN_SECRET_BYTES && bytes.length <= MAX_SECRET_BYTES ? bytes : undefined
}

/** The secret that consists of these bytes. */
export function webhookSecret(bytes: Buffer): string {
  return `${SECRET_PREFIX}${bytes.toString('base64')}`
}

/** Never repeats the URL, which may contain a secret. */
function urlError(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null) return 'url must be a URL such as https://example.com/hooks'
  if (url.protocol !== 'https:') return 'url must start with https://'
  if (url.username !== '' || url.password !== '') return 'url must not contain a user or a password'
  if (url.hash !== '') return 'url must not have a fragment (#)'
  if (isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0) return 'the host of url must be a name, not an address'
  return undefined
}
