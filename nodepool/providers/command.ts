import { z } from 'zod';
import type { ProviderGiven } from '../config/config.ts';
import { neverLikeThis, noRoom, type ProgramEnd, runProgram } from '../program.ts';
import type { Machine, NodeOrder, Provider, Setback } from '../provider.ts';

/**
 * The site's own executables as a provider: GCE, AWS, libvirt, Terraform, anything that can print JSON.
 *
 * - `create` reads `{"node", "site", "label", "image", "flavor", "zone", "properties"}` and prints a machine: `{"id", "node", "state":
 *   "building"|"active"|"failed", "address", "private-address", "ssh": {"port", "user", "host-keys"}, "zone", "reason"}`. It may return
 *   while the machine builds.
 * - `list` reads `{"site"}` and prints an array of machines: all of our site.
 * - `delete` reads `{"id", "node"}`; without an id it finds the machine by its node. What is gone is no error.
 * - `limits` (optional) prints `{"instances", "cores", "ram"}`: what we may have at all.
 * - `snapshot` (optional) reads `{"id", "node", "site", "image"}`, saves the machine's disk under that name, and prints `{"image"}`: what
 *   `create` will be given as its image. With it come `list-images`, which reads `{"site"}` and prints an array of the names saved, and
 *   `delete-image`, which reads `{"site", "image"}`.
 *
 * Exit 0 is success, 75 no room now, 78 never like this; anything else is an error, and the last line of its error output says why.
 */
type Given = Extract<ProviderGiven, { driver: 'command' }>;

const MachineJson = z.object({
  id: z.coerce.string().min(1),
  node: z.coerce.string().optional(),
  state: z.enum(['building', 'active', 'failed']),
  address: z.string().nullish(),
  'private-address': z.string().nullish(),
  ssh: z
    .object({
      port: z.int().nullish(),
      user: z.string().nullish(),
      'host-keys': z.array(z.string()).nullish(),
      'private-key': z.string().nullish(),
    })
    .nullish(),
  zone: z.string().nullish(),
  region: z.string().nullish(),
  reason: z.string().nullish(),
});
const LimitsJson = z.object({
  instances: z.number().optional(),
  cores: z.number().optional(),
  ram: z.number().optional(),
});

export function openCommandProvider(given: Given, site: string): Provider {
  async function list(signal: AbortSignal): Promise<{ kind: 'listed'; machines: Machine[] } | Setback> {
    const end = await runProgram(given.list, { site }, signal);
    const read = readJson(end, z.array(MachineJson), 'list');
    if (read.kind !== 'read') return read;
    return { kind: 'listed', machines: read.value.map(machineOf) };
  }

  return {
    name: given.name,
    driver: 'command',
    list,
    async create(order, signal) {
      if (order.again) {
        const listed = await list(signal);
        if (listed.kind !== 'listed') return listed;
        const machine = listed.machines.find((each) => each.node === order.node);
        if (machine !== undefined) return { kind: 'created', machine };
      }
      const end = await runProgram(given.create, orderJson(order), signal);
      if (end.kind === 'ended' && end.code === noRoom) return { kind: 'quota', reason: end.said };
      const read = readJson(end, MachineJson, 'create');
      // It may have made something all the same: the node is deleted by its mark, and another one made.
      if (read.kind === 'transient') return { kind: 'failed', reason: read.reason };
      return read.kind === 'read' ? { kind: 'created', machine: machineOf(read.value) } : read;
    },
    async delete({ id, node }, signal) {
      const end = await runProgram(given.delete, { id: id ?? null, node, site }, signal);
      if (end.kind === 'ended' && end.code === 0) return { kind: 'gone' };
      return { kind: 'transient', reason: end.kind === 'missing' ? end.reason : end.said };
    },
    async probe(kinds, signal) {
      if (given.limits === undefined) return { kind: 'probed', capacity: {}, zones: [], kinds: {} };
      const end = await runProgram(given.limits, { site, labels: kinds.map((kind) => kind.label) }, signal);
      const read = readJson(end, LimitsJson, 'limits');
      if (read.kind !== 'read') return read;
      const { instances, cores, ram } = read.value;
      const capacity = {
        ...(instances === undefined ? {} : { instances }),
        ...(cores === undefined ? {} : { cores }),
        ...(ram === undefined ? {} : { ram }),
      };
      return { kind: 'probed', capacity, zones: [], kinds: {} };
    },
    ...imagesWith(given, site),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function imagesWith(given: Given, site: string): Pick<Provider, 'snapshot' | 'images' | 'deleteImage'> {
  const { snapshot, 'list-images': listImages, 'delete-image': deleteImage } = given;
  if (snapshot === undefined || listImages === undefined || deleteImage === undefined) return {};
  return {
    async snapshot({ id, node }, image, signal) {
      const end = await runProgram(snapshot, { id: id ?? null, node, site, image }, signal);
      const read = readJson(end, z.object({ image: z.string() }), 'snapshot');
      return read.kind === 'read' ? { kind: 'saved', image: read.value.image } : read;
    },
    async images(signal) {
      const end = await runProgram(listImages, { site }, signal);
      const read = readJson(end, z.array(z.string()), 'list-images');
      return read.kind === 'read' ? { kind: 'images', images: read.value } : read;
    },
    async deleteImage(image, signal) {
      const end = await runProgram(deleteImage, { site, image }, signal);
      if (end.kind === 'ended' && end.code === 0) return { kind: 'gone' };
      return { kind: 'transient', reason: end.kind === 'missing' ? end.reason : end.said };
    },
  };
}

function orderJson({ node, site, kind, zone }: NodeOrder): Record<string, unknown> {
  const { label, image, flavor, minRam, properties } = kind;
  return { node, site, label, image, flavor, 'min-ram': minRam, zone, properties };
}

function readJson<T>(
  end: ProgramEnd,
  shape: z.ZodType<T>,
  what: string,
): { kind: 'read'; value: T } | (Setback & { kind: 'transient' | 'permanent' }) {
  if (end.kind === 'missing') return { kind: 'permanent', reason: end.reason };
  if (end.code === neverLikeThis) return { kind: 'permanent', reason: end.said };
  if (end.code !== 0) return { kind: 'transient', reason: end.said };
  const value = parsed(end.stdout);
  const read = shape.safeParse(value);
  if (read.success) return { kind: 'read', value: read.data };
  const issue = read.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  return { kind: 'transient', reason: `${what} printed no such JSON: ${where}${issue?.message ?? ''}` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function machineOf(json: z.infer<typeof MachineJson>): Machine {
  const { id, node, state, address, ssh, zone, region, reason } = json;
  return {
    id,
    node,
    state,
    reason: reason ?? undefined,
    address: address ?? undefined,
    privateAddress: json['private-address'] ?? undefined,
    zone: zone ?? undefined,
    region: region ?? undefined,
    ssh: {
      port: ssh?.port ?? undefined,
      user: ssh?.user ?? undefined,
      keyFile: ssh?.['private-key'] ?? undefined,
      hostKeys: ssh?.['host-keys'] ?? undefined,
    },
  };
}
