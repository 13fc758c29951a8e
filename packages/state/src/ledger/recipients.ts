import type { BatchTerms, OpenBatch } from './types.ts'

/**
 * What an owner needs of the channels of a batch, from their stored texts (`stored-channel.ts`); empty where nothing is
 * to be posted. Cut here and not in the script: one Redis serves many workers.
 */
export function recipientsOf(
  channels: readonly Buffer[],
  { wantsLocales, wantsTags = false }: Pick<BatchTerms, 'wantsLocales' | 'wantsTags'>,
): Pick<OpenBatch, 'uris' | 'locales' | 'tags'> {
  const uris: string[] = []
  const locales: string[] = []
  const tags: string[] = []
  for (const channel of channels) {
    // URIs, locales and tags are ASCII by the policy that admitted them.
    const text = channel.toString('latin1')
    const from = text.indexOf('\0') + 1
    const end = text.indexOf('\0', from)
    uris.push(end === -1 ? text.slice(from) : text.slice(from, end))
    if (!wantsLocales && !wantsTags) continue
    const [, locale = '', tagsOfChannel = ''] = end === -1 ? [] : text.slice(end + 1).split(';')
    if (wantsLocales) locales.push(locale)
    if (wantsTags) tags.push(tagsOfChannel)
  }
  return { uris, locales, tags }
}
