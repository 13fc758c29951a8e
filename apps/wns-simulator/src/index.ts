export { startSimulator, type Simulator, type SimulatorOptions } from './simulator.ts'
export type { FaultsDocument, FaultSet, RateCap, TokenFaults } from './faults.ts'
