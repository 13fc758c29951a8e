import { createHash } from 'node:crypto'
import type { AppId } from '@wns-fanout/domain'
import { keyOfAnother } from '@wns-fanout/fanout'
import type { Idempotency } from '@wns-fanout/state'

export interface StoredAnswer {
  readonly status: number
  /** JSON, byte for byte as it was sent the first time. */
  readonly body: string
}

/**
 * Acts once for an app and an `Idempotency-Key`. A repeat gets the first response; a concurrent one waits for it.
 * What fails is not stored. Throws `invalid` when the key was used for another request.
 */
export async function answerOnce(
  idempotency: Idempotency,
  { app, key, request }: { readonly app: AppId; readonly key: string; readonly request: unknown },
  act: () => Promise<StoredAnswer>,
): Promise<StoredAnswer & { readonly replayed: boolean }> {
  const begun = await idempotency.begin(app, key, hashOf(request))
  switch (begun.kind) {
    case 'replay':
      return { status: begun.status, body: begun.body, replayed: true }
    case 'mismatch':
      throw keyOfAnother()
    case 'fresh':
      break
    default:
      return begun satisfies never
  }
  let answer: StoredAnswer
  try {
    answer = await act()
  } catch (error) {
    await begun.abandon()
    throw error
  }
  await begun.finish(answer.status, answer.body)
  return { ...answer, replayed: false }
}

/** The same for bodies that mean the same: the order of keys and white space do not matter. */
function hashOf(request: unknown): string {
  return createHash('sha256').update(canonical(request)).digest('hex')
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : item,
  )
}
