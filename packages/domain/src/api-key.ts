import * as z from 'zod'
import { appIdSchema } from './ids.ts'
import { labelSchema } from './visible-text.ts'

export const apiVerbs = ['read', 'register', 'send', 'admin'] as const
export type ApiVerb = (typeof apiVerbs)[number]

/** Part of everything that a key makes. Absent on what was made before keys were recorded. */
export const createdBySchema = z.string().optional().meta({
  description: 'The id of the API key that made it; `bootstrap` if it was made without a key.',
})

type ReadonlyFields<T> = { readonly [Name in keyof T]: T[Name] extends (infer Item)[] ? readonly Item[] : T[Name] }

const key = {
  name: labelSchema(200),
  apps: z
    .array(z.union([z.literal('*'), appIdSchema]))
    .min(1)
    .max(1000)
    .meta({ description: 'The apps it gives access to; "*" means all, future ones too.' }),
  verbs: z.array(z.enum(apiVerbs)).min(1).max(apiVerbs.length),
}

export const apiKeyRequestSchema = z
  .strictObject({
    ...key,
    expiresAt: z.iso
      .datetime({ offset: true, error: 'a time must be ISO 8601 with a zone, e.g. 2026-01-31T09:30:00.000Z' })
      .refine((text) => Date.parse(text) > Date.now(), { error: 'expiresAt must be in the future' })
      .optional(),
  })
  .meta({ id: 'ApiKeyRequest' })
export type ApiKeyRequest = ReadonlyFields<z.infer<typeof apiKeyRequestSchema>>

export const apiKeySchema = z
  .object({
    id: z.string(),
    ...key,
    expiresAt: z.string().optional(),
    createdAt: z.string(),
    createdBy: createdBySchema,
    problem: z.string().optional().meta({ description: 'Why it cannot be used; absent if it can.' }),
  })
  .meta({ id: 'ApiKey' })
/** An API key without its secret. */
export type ApiKey = ReadonlyFields<z.infer<typeof apiKeySchema>>

export const newApiKeySchema = apiKeySchema
  .extend({ key: z.string().meta({ description: 'Shown only in this response.' }) })
  .meta({ id: 'NewApiKey' })
export type NewApiKey = ReadonlyFields<z.infer<typeof newApiKeySchema>>
