import { WorkersWanted } from '@wns-fanout/fanout'

/** A campaign and the workers it meets. */
export interface ScalingCase {
  readonly name: string
  readonly recipients: number
  readonly ratePerSecond: number
  /** Posts per second that one worker can do. */
  readonly workerRate: number
  /** Share of the rate that WNS allows, at a second of the campaign. */
  readonly allowed?: (second: number) => number
}

export interface ScalingResult {
  readonly name: string
  readonly peakPods: number
  readonly podMinutes: number
  readonly seconds: number
}

const MIN_PODS = 2
const MAX_PODS = 20
const POLL_SECONDS = 15
const START_SECONDS = 30
const SCALE_DOWN_SECONDS = 300

function throttled(second: number): number {
  return second < 840 ? 1 / 8 : 1
}

export const scalingCases: readonly ScalingCase[] = [
  { name: '1 M at 300/s', recipients: 1e6, ratePerSecond: 300, workerRate: 3000 },
  { name: '1 M at 1,000/s', recipients: 1e6, ratePerSecond: 1000, workerRate: 3000 },
  { name: '1 M at 1,000/s, throttled', recipients: 1e6, ratePerSecond: 1000, workerRate: 3000, allowed: throttled },
  { name: '5 M at 20,000/s', recipients: 5e6, ratePerSecond: 20_000, workerRate: 3000 },
  { name: '1 M at 5,000/s, slow WNS', recipients: 1e6, ratePerSecond: 5000, workerRate: 1000 },
]

/**
 * Drives the number of workers as the autoscaler of Kubernetes does, second by second in virtual time: it looks every
 * 15 seconds, at most doubles the pods, and removes one a minute once no larger number was wanted for five minutes.
 */
export function simulateScaling({ name, recipients, ratePerSecond, workerRate, allowed }: ScalingCase): ScalingResult {
  let second = 0
  const wanted = new WorkersWanted(() => second * 1000)
  const answers: { readonly second: number; readonly pods: number }[] = []
  const startedAt = Array.from({ length: MIN_PODS }, () => -START_SECONDS)
  let [left, settled, peakPods, podSeconds, lastRemoval] = [recipients, 0, MIN_PODS, 0, 0]
  for (; left > 0; second += 1) {
    const effective = ratePerSecond * (allowed?.(second) ?? 1)
    const running = startedAt.filter((start) => start + START_SECONDS <= second).length
    if (second % POLL_SECONDS === 0) {
      const demand = Math.min(effective, left / 60)
      answers.push({ second, pods: wanted.count({ demand: second === 0 ? 0 : demand, settled, workers: running }) })
      const now = Math.min(MAX_PODS, Math.max(MIN_PODS, answers.at(-1)?.pods ?? 0))
      const recent = answers.filter((answer) => answer.second > second - SCALE_DOWN_SECONDS).map(({ pods }) => pods)
      const target = Math.min(now, startedAt.length * 2)
      while (startedAt.length < target) startedAt.push(second)
      const isIdle = second >= SCALE_DOWN_SECONDS && Math.max(...recent, MIN_PODS) < startedAt.length
      if (isIdle && second - lastRemoval >= 60) {
        startedAt.pop()
        lastRemoval = second
      }
    }
    settled = Math.min(left, effective, running * workerRate)
    left -= settled
    peakPods = Math.max(peakPods, startedAt.length)
    podSeconds += startedAt.length
  }
  return { name, peakPods, podMinutes: Math.round(podSeconds / 60), seconds: second }
}
