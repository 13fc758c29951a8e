'use strict'
// Loaded before a program that knows nothing of simulators: its connections to WNS and to the token service go to
// ROUTE_TO, while names and certificate checks stay; any other connection is refused. NODE_EXTRA_CA_CERTS brings the CA.
const tls = require('node:tls')

const [host, port] = process.env.ROUTE_TO.split(':')
const connect = tls.connect

tls.connect = (options, ...rest) => {
  const name = options.servername ?? options.host
  if (options.port !== 443 || !/^(?:login\.live\.com|(?:[a-z0-9-]+\.)*notify\.windows\.com)$/.test(name)) {
    throw new Error(`this program may talk to WNS only, not to ${name}:${options.port}`)
  }
  return connect({ ...options, servername: name, host, port: Number(port) }, ...rest)
}
