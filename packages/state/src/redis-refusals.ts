const refusals: readonly (readonly [word: string, why: string])[] = [
  ['MISCONF', 'it cannot persist data; free space on its disk'],
  ['OOM', 'it has reached maxmemory; raise it, or remove data'],
  ['READONLY', 'it is a replica; connect to the primary'],
  ['NOREPLICAS', 'too few replicas are connected; start them, or lower min-replicas-to-write'],
  ['LOADING', 'it still loads its data'],
  ['MASTERDOWN', 'it is a replica without its primary'],
  ['CLUSTERDOWN', 'its cluster is down'],
  ['TRYAGAIN', 'a slot of its cluster is being moved'],
]

/** The word of an error with which Redis refuses all writes; undefined for any other error. */
export function refusalWordOf(error: unknown): string | undefined {
  return refusalIn(error)?.[0]
}

/** The reason why Redis refuses all writes, for people; undefined for any other error. */
export function refusalOf(error: unknown): string | undefined {
  const found = refusalIn(error)
  return found && `Redis rejects writes (${found[0]}): ${found[1]}. Sending then resumes.`
}

function refusalIn(error: unknown): (typeof refusals)[number] | undefined {
  const message = error instanceof Error ? error.message : ''
  return refusals.find(([word]) => new RegExp(`(^|-)${word}\\b`).test(message))
}
