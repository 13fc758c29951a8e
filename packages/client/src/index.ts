/** A typed client of the HTTP API of wns-fanout. */
export * from './api-error.ts'
export * from './client.ts'
export * from './types.ts'
