/** A deliberate fault: one place of one source file is replaced. */
export interface Fault {
  /** What goes wrong, as a sentence. */
  readonly name: string
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly from: string
  readonly to: string
  /** The unit test file that must fail. */
  readonly test: string
}

const SEND = 'packages/fanout/src/send'
const SEND_TESTS = 'packages/fanout/test/send'
const LUA = 'packages/state/lua'
const STATE_TESTS = 'packages/state/test'

const inDecide = { file: `${SEND}/decide.ts`, test: `${SEND_TESTS}/decide.test.ts` }
const inPark = { file: `${SEND}/park.ts`, test: `${SEND_TESTS}/park.test.ts` }
const inCheckpointer = { file: `${SEND}/checkpointer.ts`, test: `${SEND_TESTS}/checkpointer.test.ts` }
const inBatchRun = { file: `${SEND}/batch-run.ts`, test: `${SEND_TESTS}/batch-run.test.ts` }
const inPermits = { file: `${SEND}/local-permits.ts`, test: `${SEND_TESTS}/local-permits.test.ts` }

export const faults: readonly Fault[] = [
  // Decisions
  {
    name: 'a post without an answer is repeated at most once, and settled at least once',
    ...inDecide,
    from: "attempt.delivery === 'at-most-once'",
    to: "attempt.delivery === 'at-least-once'",
  },
  {
    name: 'one attempt too many',
    ...inDecide,
    from: 'spent >= attempt.maxAttempts',
    to: 'spent > attempt.maxAttempts',
  },
  {
    name: 'a throttled app costs the recipient an attempt',
    ...inDecide,
    from: 'spent: attempt.spent,\n        reason',
    to: 'spent: attempt.spent + 1,\n        reason',
  },
  {
    name: 'a Retry-After of a server error is ignored',
    ...inDecide,
    from: 'delayMs: Math.max(',
    to: 'delayMs: Math.min(',
  },
  { name: 'a 401 is never the last', ...inDecide, from: 'if (!attempt.reauthorized)', to: 'if (true)' },
  {
    name: 'an unknown channel counts as expired',
    ...inDecide,
    from: 'outcome.status === 404',
    to: 'outcome.status === 410',
  },

  // Park reasons
  {
    name: 'a pause is reported as the reason of a recipient',
    ...inPark,
    from: "if (isPaused) return 'paused'\n",
    to: '',
  },
  { name: 'the reason of a recipient is lost', ...inPark, from: "return wait.reason ?? 'held'", to: "return 'held'" },
  {
    name: 'a batch that is handed back waits',
    ...inPark,
    from: "if (stop === 'stopping' || stop === 'in-hand' || stop === 'paused') return 0",
    to: "if (stop === 'in-hand' || stop === 'paused') return 0",
  },
  {
    name: 'the guard suppresses the recipients of a throttled app',
    ...inPark,
    from: "stop === 'paused' || wait.isThrottled === true",
    to: "stop === 'paused'",
  },

  // Checkpoints
  { name: 'two checkpoints have one number', ...inCheckpointer, from: 'this.#number += 1', to: 'this.#number += 0' },
  {
    name: 'credit that no replica has is used',
    ...inCheckpointer,
    from: 'recipients.grant(answer.replicated ? credit : recipients.credited,',
    to: 'recipients.grant(credit,',
  },
  {
    name: 'the last checkpoint keeps unused credit',
    ...inCheckpointer,
    from: 'if (endOf !== undefined) recipients.giveBackCredit()\n',
    to: '',
  },
  {
    name: 'two checkpoints of a batch are under way',
    ...inBatchRun,
    from: 'if (this.#checkpointer.isUnderWay || this.#isDone || this.#merge.isStarted) return',
    to: 'if (this.#isDone || this.#merge.isStarted) return',
  },
  {
    name: 'a checkpoint of a former owner is written',
    file: `${LUA}/ledger-checkpoint.lua`,
    test: `${STATE_TESTS}/ledger-checkpoint.test.ts`,
    from: 'if b.owner ~= owner or b.fence ~= fence then',
    to: 'if false then',
  },

  // Leases
  {
    name: 'posts start without a lease',
    ...inCheckpointer,
    from: 'return nowMs - this.#acknowledgedMs <= this.#options.leaseMs',
    to: 'return true',
  },
  {
    name: 'the lease counts from the answer, not from the checkpoint',
    ...inCheckpointer,
    from: 'this.#acknowledgedMs = sentMs',
    to: 'this.#acknowledgedMs = performance.now()',
  },
  {
    name: 'a checkpoint that no replica has renews the lease',
    ...inCheckpointer,
    from: 'if (answer.replicated) this.#acknowledgedMs',
    to: 'this.#acknowledgedMs',
  },
  {
    name: 'an owner that was lost is not counted as taken over',
    file: `${LUA}/ledger-open.lua`,
    test: `${STATE_TESTS}/ledger-open.test.ts`,
    from: "local takeover = b.state == 'open' and not mine",
    to: 'local takeover = false',
  },

  // Permits
  {
    name: 'a permit that has lapsed is used',
    ...inPermits,
    from: 'if (grant.left > 0 && nowMs < grant.lapsesAtMs) {',
    to: 'if (grant.left > 0) {',
  },
  {
    name: 'permits in hand are used after WNS throttles the app',
    ...inPermits,
    from: '    this.lapse(grantedAtMs)\n    this.#options.onRefused',
    to: '    this.#options.onRefused',
  },
  {
    name: 'each refusal of one second decreases the rate',
    ...inPermits,
    from: 'if (this.#isSlowingDown || grantedAtMs <= this.#decreasedAtMs) return',
    to: '',
  },
  {
    name: 'permits are granted during a pause',
    file: `${LUA}/permits-take.lua`,
    test: `${STATE_TESTS}/permits.test.ts`,
    from: 'if bucket.pausedUntilMs and now < bucket.pausedUntilMs then',
    to: 'if false then',
  },
  {
    name: 'more permits are granted than the rate allows',
    file: `${LUA}/permits-take.lua`,
    test: `${STATE_TESTS}/permits.test.ts`,
    from: 'local granted = math.min(wanted, available)',
    to: 'local granted = wanted',
  },
]
