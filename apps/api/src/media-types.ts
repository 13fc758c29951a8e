import { Problem } from '@wns-fanout/domain'
import type { FastifyInstance } from 'fastify'

/** Answers 415 for every type that has no parser here, and names the types that have one. */
export function refuseOtherTypes(app: FastifyInstance, types: readonly string[]): void {
  app.addContentTypeParser('*', (request, _payload, done) => {
    done(unsupported(request.headers['content-type'], types))
  })
}

function unsupported(found: string | undefined, types: readonly string[]): Problem {
  const type = found?.split(';', 1)[0]?.trim() ?? ''
  // A type that does not look like one is not repeated.
  const shown = type === '' ? 'none' : /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/.test(type) ? type : 'another text'
  return new Problem(
    'media-type',
    `Content-Type must be ${types.join(' or ')}; found ${shown}` +
      (type === 'application/x-www-form-urlencoded' ? ' (curl -d sends it unless -H "Content-Type: …" is given)' : ''),
  )
}
