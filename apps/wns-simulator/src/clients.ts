import { clientIdOf, type FaultsDocument, faultsFor, type FaultSet } from './faults.ts'
import { SlidingSecond } from './sliding-second.ts'

/** One application with its counters, its rate and its faults. */
export class Client {
  readonly id: string
  /** Its index in the list of all clients. */
  readonly index: number
  faults: FaultSet
  posts = 0
  tokenRequests = 0
  /** All posts, for the peak. */
  arrived = new SlidingSecond()
  /** Posts that the rate cap admitted. */
  admitted = new SlidingSecond()

  constructor(id: string, index: number, faults: FaultSet) {
    this.id = id
    this.index = index
    this.faults = faults
  }

  forget(): void {
    this.posts = 0
    this.tokenRequests = 0
    this.arrived = new SlidingSecond()
    this.admitted = new SlidingSecond()
  }
}

/** All clients that have requested a token, and the faults document. */
export class Clients {
  readonly #byId = new Map<string, Client>()
  readonly #byIndex: Client[] = []
  #faults: FaultsDocument = {}

  get faults(): FaultsDocument {
    return this.#faults
  }

  set faults(document: FaultsDocument) {
    this.#faults = document
    for (const client of this.#byIndex) client.faults = faultsFor(document, client.id)
  }

  named(name: string): Client {
    const id = clientIdOf(name)
    const found = this.#byId.get(id)
    if (found !== undefined) return found
    const client = new Client(id, this.#byIndex.length, faultsFor(this.#faults, id))
    this.#byId.set(id, client)
    this.#byIndex.push(client)
    return client
  }

  at(index: number): Client | undefined {
    return this.#byIndex[index]
  }

  all(): readonly Client[] {
    return this.#byIndex
  }

  forgetCounters(): void {
    for (const client of this.#byIndex) client.forget()
  }
}
