import { connect } from 'node:net';
import type { ProviderGiven } from '../config/config.ts';
import { runProgram } from '../program.ts';
import type { MachineRef, Place, Provider, Setback } from '../provider.ts';
import { hostOfPlace, placeId } from './place.ts';

/**
 * Machines that are always there: hosts, or the hosts of a scarce array. Before a lease a host must answer and pass its health check;
 * after it the workspace is removed and the cleanup hook must succeed, else the place stays in quarantine until a person looked.
 */
type Given = Extract<ProviderGiven, { driver: 'static' }>;
type Host = Given['nodes'][number];

export interface StaticOptions {
  /** Removes what a build left on a host, over ssh. Throws when the host cannot be reached. */
  readonly forget: (host: StaticHost, build: string, signal: AbortSignal) => Promise<void>;
}

/** How a host is entered. */
export interface StaticHost {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly jobUser?: string | undefined;
  readonly sudo?: boolean | undefined;
  readonly workspaces?: string | undefined;
  readonly hostKeys: readonly string[];
}

export function openStaticProvider(given: Given, options: StaticOptions): Provider {
  const hosts = new Map(given.nodes.map((host) => [host.name, host]));
  // A place that the file no longer has is still cleaned as long as its host is there.
  const hostOf = (place: string) => hosts.get(hostOfPlace(place));
  const places = placesOf(given);

  return {
    name: given.name,
    driver: 'static',
    places,
    async create({ node, place = '' }, signal) {
      const host = hostOf(place);
      if (host === undefined) return { kind: 'permanent', reason: `there is no place ${place}` };
      const away = (await unreachable(host, signal)) ?? (await unhealthy(host, node, signal));
      if (away !== undefined) return { kind: 'full', reason: away };
      const { address, port, user, keyFile, hostKeys } = entrance(host, given);
      const ssh = { port, user, keyFile, ...(hostKeys.length === 0 ? {} : { hostKeys }) };
      return {
        kind: 'created',
        machine: { id: place, node, state: 'active', address, ssh, zone: host.zone },
      };
    },
    list: () => Promise.resolve({ kind: 'listed', machines: [] }),
    async delete(of, signal) {
      const host = hostOf(of.id ?? '');
      // A host that was taken out of the file is nobody's business any more.
      if (host === undefined) return { kind: 'gone' };
      if (of.build !== undefined) await options.forget(entrance(host, given), of.build, signal);
      return (await uncleaned(host, of, signal)) ?? { kind: 'gone' };
    },
    probe: () => Promise.resolve({ kind: 'probed', capacity: {}, zones: [], kinds: {} }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** One for each build that fits at a time. */
export function placesOf(given: Given): Place[] {
  return given.nodes.flatMap((host) =>
    Array.from({ length: host['max-parallel-jobs'] }, (_, slot) => {
      return { id: placeId(host.name, slot), host: host.name, labels: host.labels, zone: host.zone };
    }),
  );
}

function entrance(host: Host, given: Given): StaticHost {
  return {
    name: host.name,
    address: host.host ?? host.name,
    port: host['connection-port'],
    user: host.username ?? given.username,
    keyFile: host['private-key'] ?? given['private-key'],
    jobUser: host['job-user'],
    sudo: host.sudo,
    workspaces: host.workspaces,
    hostKeys: host['host-key'] ?? [],
  };
}

/** Why nobody answers at its SSH port. */
function unreachable(host: Host, signal: AbortSignal): Promise<string | undefined> {
  const where = { host: host.host ?? host.name, port: host['connection-port'] };
  return new Promise((resolve) => {
    const socket = connect({ ...where, timeout: host.timeout });
    const done = (why?: string) => {
      signal.removeEventListener('abort', aborted);
      socket.destroy();
      resolve(why === undefined ? undefined : `${host.name} does not answer: ${why}`);
    };
    const aborted = () => done('given up');
    signal.addEventListener('abort', aborted, { once: true });
    socket.once('connect', () => done());
    socket.once('timeout', () => done(`nothing within ${Math.round(host.timeout / 1000)} s`));
    socket.once('error', (error) => done(error.message));
  });
}

async function unhealthy(host: Host, node: string, signal: AbortSignal): Promise<string | undefined> {
  const argv = host['health-check'];
  if (argv === undefined) return undefined;
  const end = await runProgram(argv, { node, host: host.host ?? host.name, name: host.name }, signal);
  if (end.kind === 'ended' && end.code === 0) return undefined;
  return `${host.name} is not healthy: ${end.kind === 'missing' ? end.reason : end.said}`;
}

async function uncleaned(
  host: Host,
  { node, build }: MachineRef,
  signal: AbortSignal,
): Promise<Setback | undefined> {
  const argv = host.cleanup;
  if (argv === undefined) return undefined;
  const input = { node, host: host.host ?? host.name, name: host.name, build: build ?? null };
  const end = await runProgram(argv, input, signal);
  if (end.kind === 'ended' && end.code === 0) return undefined;
  return {
    kind: 'permanent',
    reason: `its cleanup failed: ${end.kind === 'missing' ? end.reason : end.said}`,
  };
}
