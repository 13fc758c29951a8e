import type { AuditEntry } from '@wns-fanout/domain'
import { appIdSchema, auditEntrySchema, auditTrails } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { maySee } from '../auth.ts'
import type { ApiDeps } from '../deps.ts'
import { ndjson } from '../ndjson.ts'
import { answers } from './shapes.ts'

const instant = z.iso.datetime({
  offset: true,
  error: 'a time must be ISO 8601 with a zone, e.g. 2026-01-31T09:30:00.000Z',
})

const auditQuery = z.strictObject({
  trail: z.enum(auditTrails).default('control').meta({ description: '`devices` has the changes of single channels.' }),
  from: instant.optional(),
  to: instant.optional(),
  app: appIdSchema.optional(),
  key: z.string().min(1).max(64).optional().meta({ description: 'The id of an API key.' }),
  action: z.string().min(1).max(64).optional().meta({ description: 'For example `campaign.create`, or `campaign.*`.' }),
  after: z
    .string()
    .regex(/^\d{1,15}-\d{1,10}$/, { error: 'it must be the id of an entry' })
    .optional(),
  order: z.enum(['oldest', 'newest']).default('oldest').meta({ description: 'Which entries come first.' }),
  limit: z.coerce.number().int().min(1).max(1_000_000).optional(),
})
type AuditQuery = z.infer<typeof auditQuery>

export function auditRoutes(app: FastifyInstance, { audit }: ApiDeps): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/audit',
    {
      schema: {
        tags: ['audit'],
        summary: 'The audit log',
        description:
          'Lines of JSON: who did what, from where, and with which outcome. A key for all apps reads everything, ' +
          'another one the entries of its apps. The hashes form a chain, which `wns-fanout audit verify` recomputes.',
        querystring: auditQuery,
        response: answers({ 200: { content: { 'application/x-ndjson': { schema: auditEntrySchema } } } }),
      },
    },
    async ({ query, caller }, reply) => {
      const isVisible = ({ app: of }: AuditEntry): boolean =>
        caller !== null && (of === undefined ? caller.apps.includes('*') : maySee(caller, of))
      const entries = audit.trails[query.trail].read({
        after: query.after,
        fromMs: query.from === undefined ? undefined : Date.parse(query.from),
        toMs: query.to === undefined ? undefined : Date.parse(query.to),
        newestFirst: query.order === 'newest',
      })
      return reply
        .type('application/x-ndjson')
        .send(ndjson(matching(entries, query, (entry) => isVisible(entry) && isWanted(entry, query))))
    },
  )
}

async function* matching(
  entries: AsyncIterable<AuditEntry>,
  { limit = Infinity }: AuditQuery,
  isMatch: (entry: AuditEntry) => boolean,
): AsyncGenerator<AuditEntry> {
  let left = limit
  for await (const entry of entries) {
    if (!isMatch(entry)) continue
    yield entry
    left -= 1
    if (left <= 0) return
  }
}

function isWanted(entry: AuditEntry, { app, key, action }: AuditQuery): boolean {
  return (
    (app === undefined || entry.app === app) &&
    (key === undefined || entry.actor === key) &&
    (action === undefined ||
      entry.action === action ||
      (action.endsWith('.*') && entry.action.startsWith(action.slice(0, -1))))
  )
}
