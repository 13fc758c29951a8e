/**
 * The loop that people write to store a table of devices: `bare-hset.ts <redis> <file> <prefix>` reads a CSV without
 * quotes and stores each row as one hash, 1,000 commands at a time. Prints how many rows it stored.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'

const AT_ONCE = 1000
const [url = '', file = '', prefix = ''] = process.argv.slice(2)
const redis = new Redis(url)
let pipeline = redis.pipeline()
let rows = -1
for await (const line of createInterface({ input: createReadStream(file) })) {
  rows += 1
  if (rows === 0) continue
  const [id, uri = '', language = '', city = ''] = line.split(',')
  pipeline.hset(`${prefix}${id}`, 'uri', uri, 'language', language, 'city', city)
  if (pipeline.length < AT_ONCE) continue
  await pipeline.exec()
  pipeline = redis.pipeline()
}
await pipeline.exec()
await redis.quit()
process.stdout.write(`${JSON.stringify({ rows })}\n`)
