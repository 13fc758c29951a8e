import type { AppId, TemplateName } from '@wns-fanout/domain'
import { templateNameSchema } from '@wns-fanout/domain'
import type { Templates } from '@wns-fanout/state'
import { invalid } from './problem.ts'

/**
 * A body that is not judged yet, with the notification of the template that it names. Throws `invalid` for a template
 * that does not exist, and for a body with both.
 */
export async function withTemplate(
  templates: Templates,
  app: AppId,
  body: unknown,
  path: readonly string[] = [],
): Promise<unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || !('template' in body)) return body
  const { template, ...rest } = body
  const reject = (code: string, detail: string): Error =>
    invalid('The request', [{ path: [...path, 'template'], code, detail }])
  if ('notification' in body) throw reject('one-body', 'give only one of notification and template')
  const name = templateNameSchema.safeParse(template)
  if (!name.success) throw reject('wrong-value', name.error.issues[0]?.message ?? 'template must be a name')
  const found = await templates.get(app, name.data as TemplateName)
  if (found === null) throw reject('missing', `there is no template ${name.data} in app ${app}; put it first`)
  return { ...rest, notification: found.notification }
}
