/** Where the links of the dashboards lead. Enter yours, then run `pnpm generate:dashboards`. */
export const addresses = {
  /** A copy of this repository that people on call can open, with a slash at its end: `runbook_base` of the alerts. */
  repository: 'https://git.example.com/wns-fanout/blob/main/',
  /** The API, without a slash at its end. It serves its own documentation under `/docs`. */
  api: 'https://push.example.com',
} as const
