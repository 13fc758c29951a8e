/**
 * Loaded before a process (`NODE_OPTIONS=--import=…`): its wall clock is wrong by TEST_CLOCK_SKEW_MS from the start, or
 * steps by that much at SIGUSR2 where TEST_CLOCK_STEPS is set. The monotonic clock is left alone, as it is in life.
 */
const skewMs = Number(process.env['TEST_CLOCK_SKEW_MS'] ?? 0)
const clock = { aheadMs: process.env['TEST_CLOCK_STEPS'] === undefined ? skewMs : 0 }
process.on('SIGUSR2', () => {
  clock.aheadMs = skewMs
})

const trueNow = Date.now.bind(Date)
function wrongNow(): number {
  return trueNow() + clock.aheadMs
}
globalThis.Date = new Proxy(Date, {
  construct: (target, args, wanted) =>
    Reflect.construct(target, args.length === 0 ? [wrongNow()] : args, wanted) as Date,
  apply: () => new Date(wrongNow()).toString(),
  get: (target, name, receiver) => (name === 'now' ? wrongNow : (Reflect.get(target, name, receiver) as unknown)),
})
