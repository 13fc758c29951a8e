import type { Preview, PreviewRequest } from '@wns-fanout/domain'
import { bodyFor, lackingFor, prepareMessage } from '@wns-fanout/domain'

/** A channel, as far as a notification is filled in with it. */
interface Recipient {
  readonly vars: Readonly<Record<string, string>>
  readonly locale: string
  readonly tags: readonly string[]
}

/** What would be posted to a recipient. Given values come before those of the channel. Throws on errors of the lint. */
export function preview(request: PreviewRequest, channel: Recipient = { vars: {}, locale: '', tags: [] }): Preview {
  const message = prepareMessage(request.notification, request)
  const vars = { ...channel.vars, ...request.vars }
  const { locale = channel.locale, tags = channel.tags } = request
  const { type, contentType, headers } = message
  const lacking = [...new Set(lackingFor(message, vars, locale, tags).map(({ name }) => name))]
  const common = { type, contentType, headers, lacking }
  const rendered = bodyFor(message, vars, locale === '' ? undefined : locale, tags)
  if (!rendered.ok) return { ...common, reason: rendered.reason }
  const { body } = rendered
  const text = body.toString('utf8')
  const isText = Buffer.from(text, 'utf8').equals(body)
  return {
    ...common,
    body: isText ? text : body.toString('base64'),
    encoding: isText ? 'utf8' : 'base64',
    bytes: body.length,
  }
}
