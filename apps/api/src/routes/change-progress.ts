const PROGRESS_MS = 500

/** The lines of an answer that shows the progress of a change of many channels: `{done, matched}`, then its result. */
export async function* progressLines(
  matched: number,
  change: (onProgress: (done: number) => void) => Promise<object>,
): AsyncGenerator<string> {
  let done = 0
  const work = change((now) => {
    done = now
  })
  let result: object | undefined
  while (result === undefined) {
    const { promise: pause, resolve } = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => resolve(undefined), PROGRESS_MS)
    result = await Promise.race([work, pause]).finally(() => clearTimeout(timer))
    if (result === undefined) yield `${JSON.stringify({ done, matched })}\n`
  }
  yield `${JSON.stringify(result)}\n`
}
