import type { Cluster, Redis } from 'ioredis'

/** One connection to Redis, or to all nodes of a Redis Cluster. */
export type RedisConnection = Redis | Cluster
