import { Fault } from './fault.ts';

/** Stands after a switch that names every case: the compiler refuses the call as soon as one is forgotten. */
export function unreachable(value: never): never {
  throw new Fault('bug', `unexpected: ${JSON.stringify(value)}`);
}
