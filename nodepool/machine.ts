import type { KindConfig } from './config/config.ts';
import type { MachineRecord } from './node.ts';
import type { Machine } from './provider.ts';

/** What is remembered of a machine. */
export function recordOf(machine: Machine): MachineRecord {
  const { id, address, privateAddress, zone, region, ssh } = machine;
  return {
    id,
    ...(address === undefined ? {} : { address }),
    ...(privateAddress === undefined ? {} : { privateAddress }),
    ...(zone === undefined ? {} : { zone }),
    ...(region === undefined ? {} : { region }),
    ...(ssh?.port === undefined ? {} : { port: ssh.port }),
    ...(ssh?.user === undefined ? {} : { user: ssh.user }),
    ...(ssh?.keyFile === undefined ? {} : { keyFile: ssh.keyFile }),
    ...(ssh?.hostKeys === undefined ? {} : { hostKeys: [...ssh.hostKeys] }),
  };
}

/** The same kind of machine from another image; what names the base image must not win over it. */
export function fromImage(kind: KindConfig['kind'], image: string): KindConfig['kind'] {
  const { 'image-id': _, 'image-name': __, diskimage: ___, ...properties } = kind.properties;
  return { ...kind, image, properties };
}
