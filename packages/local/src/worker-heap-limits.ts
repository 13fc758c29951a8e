/**
 * Options of Node for a worker, as in the manifests of `infra`. By default, V8 takes its limits from the memory of the
 * machine, and collects little garbage below them: the memory of a worker then grows with the number of posts, although
 * it retains the same for any number of recipients.
 */
export const workerHeapLimits: readonly string[] = ['--max-semi-space-size=32', '--max-old-space-size=256']
