import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest, FastifySchemaCompiler } from 'fastify'
import { inputErrorsOf, Problem, readJson } from '@wns-fanout/domain'
import type { InputError } from '@wns-fanout/domain'
import { $ZodType, safeParse } from 'zod/v4/core'
import { refuseOtherTypes } from './media-types.ts'
import type { Missing } from './not-found.ts'
import { notFound } from './not-found.ts'
import { invalid } from './problem.ts'

/** Make the routes of `app` read JSON bodies and check them with zod schemas, with all errors at once. */
export function installBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      refuseCodings(request.headers['content-encoding'], request.headers['content-type'])
      // Many clients send the type with every POST, even without a body.
      if (bytes.length === 0) return undefined
      if (!isUtf8(bytes)) throw new Problem('malformed-json', 'the body is not UTF-8')
      const read = readJson(bytes.toString('utf8'))
      if (!read.ok) throw new Problem('malformed-json', `the body is not valid JSON: ${read.detail}`)
      return read.value
    },
  )
  refuseOtherTypes(app, ['application/json'])
  installSchemas(app)
  app.addHook('preValidation', async ({ body, routeOptions }) => {
    const schema = routeOptions.schema?.body
    if (schema === undefined) refuseBody(body)
    else if (body === undefined && !isOptional(schema))
      throw new Problem('malformed-json', 'there is no body; send one as application/json')
  })
}

function isOptional(schema: unknown): boolean {
  return schema instanceof $ZodType && safeParse(schema, undefined).success
}

// A body that no handler reads is a mistake of the caller.
function refuseBody(body: unknown): void {
  if (body === undefined) return
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw invalid('The body', [{ path: [], code: 'wrong-type', detail: 'this path takes no body' }])
  const errors = Object.keys(body).map((key) => unknownField(key))
  if (errors.length > 0) throw invalid('The body', errors)
}

function unknownField(key: string): InputError {
  return {
    path: [key],
    code: 'unknown-field',
    detail: 'this path takes no body; remove the field',
  }
}

function refuseCodings(encoding: string | undefined, type: string | undefined): void {
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity')
    throw new Problem('media-type', 'a JSON body is sent without Content-Encoding; only uploads may be gzip')
  const charset = /charset\s*=\s*"?([^\s;"]+)/i.exec(type ?? '')?.[1]
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    throw new Problem('media-type', 'JSON is UTF-8; leave the charset out')
}

/** Check inputs with zod schemas. A rejected input is a `Problem` with every error. */
export function installSchemas(app: FastifyInstance): void {
  app.setValidatorCompiler(judge)
  app.setSerializerCompiler(() => JSON.stringify)
}

export const judge: FastifySchemaCompiler<$ZodType> =
  ({ schema, httpPart, method }) =>
  (input: unknown) => {
    // fastify passes an absent body as null.
    const parsed = safeParse(schema, httpPart === 'body' && input === null && isOptional(schema) ? undefined : input)
    if (parsed.success) return { value: parsed.data }
    // Only PUT creates things by name. For other methods, an invalid name is a name that does not exist.
    if (httpPart === 'params' && method !== 'PUT') return { error: notFound(...missingIn(parsed.error.issues, input)) }
    return { error: invalid(partNames[httpPart ?? 'body'] ?? 'The input', inputErrorsOf(parsed.error.issues, schema)) }
  }

function missingIn([issue]: readonly { readonly path: readonly PropertyKey[] }[], params: unknown): [Missing, string] {
  const kind = String(issue?.path[0]) as Missing
  return [kind, String((params as Readonly<Record<string, unknown>>)[kind])]
}

const partNames: Readonly<Record<string, string>> = {
  body: 'The body',
  querystring: 'The query string',
  params: 'The path',
}
