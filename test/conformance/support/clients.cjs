'use strict'
// Runs jobs given as JSON on standard input with WNS clients that others wrote, one after the other, and prints one line
// of JSON for each: what the client reported to its caller.
const { request } = require('node:http')
const PushNotifications = require('node-pushnotifications')
const wns = require('wns')

const credentials = { client_id: process.env.CLIENT_ID, client_secret: process.env.CLIENT_SECRET }

const clients = {
  wns: ({ method, channel, args, options }) =>
    new Promise((resolve) => {
      const reported = (error, result) => {
        const { statusCode, headers = {}, newAccessToken } = error ?? result
        resolve({
          ok: !error,
          statusCode,
          message: error?.message,
          msgId: headers['x-wns-msg-id'],
          hasNewToken: newAccessToken !== undefined,
        })
      }
      wns[method](channel, ...args, { ...credentials, ...options }, reported)
    }),
  'node-pushnotifications': async ({ method, channels, data, options }) => {
    const client = new PushNotifications({ wns: { ...credentials, ...options, notificationMethod: method } })
    const [{ success, failure, message }] = await client.send(channels, data)
    return { success, failure, messages: message.map(({ errorMsg }) => errorMsg) }
  },
}

function setFaults(faults) {
  return new Promise((resolve, reject) => {
    const put = request(`${process.env.CONTROL}/v1/faults`, { method: 'PUT', agent: false }, (response) => {
      response.resume().on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error('bad faults'))))
    })
    put.on('error', reject).end(JSON.stringify(faults))
  })
}

async function main() {
  let text = ''
  for await (const chunk of process.stdin) text += chunk
  for (const { client, faults = {}, ...job } of JSON.parse(text)) {
    await setFaults(faults)
    process.stdout.write(`${JSON.stringify(await clients[client](job))}\n`)
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`)
    process.exit(1)
  },
)
