/** The HTTP API of wns-fanout, typed. */
export * from './api-error.ts'
export * from './client.ts'
export * from './types.ts'
