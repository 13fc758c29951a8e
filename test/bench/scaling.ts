import { scalingCases, simulateScaling } from '../model/scaling.ts'

/** Workers, time and the time of all workers for campaigns in virtual time, scaled to the number that the API wants. */
export async function benchScaling({
  say,
}: {
  readonly say: (line: string) => void
}): Promise<Record<string, unknown>> {
  const cases = scalingCases.map((each) => simulateScaling(each))
  for (const result of cases) say(JSON.stringify(result))
  return Promise.resolve({ cases })
}
