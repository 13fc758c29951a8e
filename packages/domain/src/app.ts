import * as z from 'zod'
import { createdBySchema } from './api-key.ts'
import type { AppLimits } from './app-limits.ts'
import { appLimitsSchema, confirmAboveSchema } from './app-limits.ts'
import { normalizePackageSid } from './package-sid.ts'
import type { AppId } from './ids.ts'
import { appIdSchema } from './ids.ts'
import { parseSecret } from './secret-text.ts'
import { stopSchema } from './stop.ts'
import type { SendWindow } from './send-window.ts'
import { quietHoursSchema } from './send-window.ts'
import { labelSchema } from './visible-text.ts'

// The trimmed text of `parseSecret`, or its reason.
const secretText = z
  .string()
  .overwrite((text) => {
    const parsed = parseSecret(text)
    return parsed.ok ? parsed.secret : text
  })
  .superRefine((text, context) => {
    const parsed = parseSecret(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.detail })
  })
const secretSchema = z.union([
  secretText,
  z.strictObject({
    ref: z.string().regex(/^(env:[A-Za-z_][A-Za-z0-9_]*|file:\/?[^\0]+)$/, {
      error: 'a secret reference must be "env:NAME" or "file:PATH"',
    }),
  }),
])

/** Where a secret is: given as text (stored sealed) or as a reference that the worker reads. */
export type SecretSource = string | { readonly ref: string }

const storeCredentials = z.strictObject({
  kind: z.literal('store'),
  packageSid: z
    .string()
    .trim()
    .refine((text) => normalizePackageSid(text) !== undefined, {
      error: 'a package SID looks like S-1-15-2-… (with or without ms-app://)',
    }),
  clientSecret: secretSchema,
  previousClientSecret: secretSchema.optional(),
})

const entraCredentials = z.strictObject({
  kind: z.literal('entra'),
  tenantId: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9.-]{1,128}$/, { error: 'a tenant id is a GUID or a domain name' }),
  clientId: z
    .string()
    .trim()
    .regex(/^[A-Za-z0-9-]{1,128}$/, { error: 'an Entra client id is a GUID' }),
  clientSecret: secretSchema,
  previousClientSecret: secretSchema.optional(),
})

export const credentialsSchema = z.discriminatedUnion('kind', [storeCredentials, entraCredentials])
export type Credentials = z.infer<typeof credentialsSchema>
export type CredentialsKind = Credentials['kind']

/** The guideline of WNS: a generic update reaches a user at most once in 30 minutes. */
export const GUIDELINE_SECONDS = 1800

/**
 * What happens when a registration brings a URI that another channel has: with `move` that channel loses it, since one
 * device would get everything twice; with `allow` both keep it.
 */
export const sharedUriSchema = z.enum(['move', 'allow']).meta({
  description: 'A registration takes the URI from the channel that has it (move), or shares it (allow).',
})
export type SharedUriPolicy = z.infer<typeof sharedUriSchema>

const rawGatesSchema = z.boolean().meta({
  description: 'False: raw notifications go to every channel, whether its app is running or not.',
})

export const appRequestSchema = z
  .strictObject({
    displayName: labelSchema(200).optional(),
    credentials: credentialsSchema,
    ratePerSecond: z.number().int().min(1).max(100_000).optional(),
    burst: z.number().int().min(1).max(100_000).optional(),
    genericIntervalSeconds: z.number().int().min(0).max(604_800).optional(),
    allowFasterThanGuideline: z.strictObject({ reason: labelSchema(500) }).optional(),
    maxAttempts: z.number().int().min(1).max(6).optional(),
    retentionDays: z.number().int().min(1).max(365).optional(),
    sharedUri: sharedUriSchema.optional(),
    rawGates: rawGatesSchema.optional(),
    quietHours: quietHoursSchema.optional(),
    confirmAbove: confirmAboveSchema.optional(),
    limits: appLimitsSchema.optional(),
  })
  .refine(
    (app) =>
      app.genericIntervalSeconds === undefined ||
      app.genericIntervalSeconds >= GUIDELINE_SECONDS ||
      app.allowFasterThanGuideline !== undefined,
    {
      path: ['genericIntervalSeconds'],
      error: `an interval below ${GUIDELINE_SECONDS} s needs allowFasterThanGuideline with a reason`,
    },
  )
  .meta({ id: 'AppRequest' })
export type AppRequest = z.infer<typeof appRequestSchema>

/** The settings of an app as the pipeline uses them: every default filled in, no secrets. */
export interface AppSettings {
  readonly app: AppId
  readonly displayName?: string | undefined
  readonly ratePerSecond: number
  readonly burst: number
  readonly genericIntervalSeconds: number
  readonly allowFasterThanGuideline?: { readonly reason: string } | undefined
  readonly maxAttempts: number
  readonly retentionDays: number
  readonly sharedUri: SharedUriPolicy
  readonly rawGates: boolean
  readonly quietHours?: SendWindow | undefined
  readonly confirmAbove?: number | undefined
  readonly limits?: AppLimits | undefined
  readonly credentialsKind: CredentialsKind
}

export function appSettings(app: AppId, request: AppRequest): AppSettings {
  const ratePerSecond = request.ratePerSecond ?? 300
  return {
    app,
    ...(request.displayName === undefined ? {} : { displayName: request.displayName }),
    ratePerSecond,
    burst: request.burst ?? Math.max(1, Math.round(ratePerSecond / 10)),
    genericIntervalSeconds: request.genericIntervalSeconds ?? GUIDELINE_SECONDS,
    ...(request.allowFasterThanGuideline === undefined
      ? {}
      : { allowFasterThanGuideline: request.allowFasterThanGuideline }),
    maxAttempts: request.maxAttempts ?? 5,
    retentionDays: request.retentionDays ?? 7,
    sharedUri: request.sharedUri ?? 'move',
    rawGates: request.rawGates ?? true,
    ...(request.quietHours === undefined ? {} : { quietHours: request.quietHours }),
    ...(request.confirmAbove === undefined ? {} : { confirmAbove: request.confirmAbove }),
    ...(request.limits === undefined ? {} : { limits: request.limits }),
    credentialsKind: request.credentials.kind,
  }
}

const setSchema = z.strictObject({ set: z.literal(true) })

/** What the API shows of an app; of a secret only that it is set. */
export const appSchema = z
  .strictObject({
    app: appIdSchema,
    displayName: z.string().optional(),
    credentials: z.union([
      z.strictObject({
        kind: z.literal('store'),
        packageSid: z.string(),
        clientSecret: setSchema,
        previousClientSecret: setSchema.optional(),
      }),
      z.strictObject({
        kind: z.literal('entra'),
        tenantId: z.string(),
        clientId: z.string(),
        clientSecret: setSchema,
        previousClientSecret: setSchema.optional(),
      }),
    ]),
    ratePerSecond: z.number(),
    burst: z.number(),
    genericIntervalSeconds: z.number(),
    allowFasterThanGuideline: z.strictObject({ reason: z.string() }).optional(),
    maxAttempts: z.number(),
    retentionDays: z.number(),
    sharedUri: sharedUriSchema,
    rawGates: rawGatesSchema,
    quietHours: quietHoursSchema.optional(),
    confirmAbove: confirmAboveSchema.optional(),
    limits: appLimitsSchema.optional(),
    state: z.enum(['active', 'paused']),
    stopped: stopSchema.optional().meta({ description: 'While `stop-all` holds; the state is `paused` then.' }),
    channels: z.number().int(),
    effectiveRatePerSecond: z.number(),
    throttledUntil: z.string().optional(),
    breaker: z.strictObject({ reason: z.string(), since: z.string() }).optional(),
    createdBy: createdBySchema,
    etag: z.string().meta({ description: 'Changes with the settings and the credentials; the header `ETag` has it.' }),
  })
  .meta({ id: 'App' })
export type App = z.infer<typeof appSchema>

export const unreadableAppSchema = z
  .strictObject({ app: appIdSchema, problem: z.string() })
  .meta({ id: 'UnreadableApp' })
/** What the API lists of an app whose stored record cannot be read. */
export type UnreadableApp = z.infer<typeof unreadableAppSchema>
