import { z } from 'zod';
import { Network } from '../../jobs/definition/network.ts';
import { CloudImage, CloudPool, PoolDiskImage } from './poolschema.ts';
import { Prepare } from './prepare.ts';
import { Argv, Count, Duration, Name, OneOrMore } from './words.ts';

/**
 * `nodepool.yaml`, in Nodepool's words. What is of no use here (image building, targets, Gearman, ZooKeeper) is taken out and
 * listed before this schema looks (ignored.ts), so OpenStack's own file loads as it is.
 */

export const Label = z.strictObject({
  name: Name.describe('What jobs ask for with `node:`.'),
  image: Name.optional().describe('One of the images of its providers.'),
  providers: z
    .array(z.union([Name.transform((name) => ({ name })), z.strictObject({ name: Name })]))
    .default([])
    .describe('Where its nodes are made.'),
  'min-ready': z
    .int()
    .min(-1)
    .default(0)
    .describe('Nodes kept ready while nobody asks; -1 takes the label out of use.'),
  'max-ready-age': Duration.prefault(0).describe('A node that was ready so long is replaced; 0: never.'),
  subnodes: Count.default(0).describe(
    'Makes every request for it a node set of one primary and so many subnodes.',
  ),
  'ready-script': z.string().optional().describe('Script run on a new node before it is ready.'),
  network: Network.optional().describe('Overlay network of its node sets.'),
  prepare: Prepare.optional().describe('What `stackgate node prepare` lays on its machines beforehand.'),
});

export const NodeSet = z.strictObject({
  name: Name.describe('What jobs ask for with `node:`.'),
  primary: z.string().optional().describe('Label of the primary node.'),
  subnodes: z
    .union([Count, z.strictObject({ label: z.string(), count: z.int().min(1) })])
    .optional()
    .describe('How many subnodes; with a label of their own: `{label: NAME, count: N}`.'),
  nodes: z
    .array(z.strictObject({ name: Name, label: z.string() }))
    .min(1)
    .optional()
    .describe(
      'Instead of `primary` and `subnodes`: nodes by name. One named `primary`, else the first, is the primary.',
    ),
  groups: z
    .array(z.strictObject({ name: Name, nodes: z.array(Name).min(1) }))
    .default([])
    .describe('Names for several of its nodes.'),
  'ready-script': z.string().optional().describe('Script run on its nodes before they are lent.'),
  network: Network.optional().describe(
    'Overlay network: `nova-net`, `neutron`, `dvr`, `dvr-ha`, `br-infra`.',
  ),
});

const JobUser = z
  .string()
  .optional()
  .describe('Account that steps run as: needed where we log in as root, else the SSH user.');

const Workspaces = z
  .string()
  .regex(/^\/[^\0\n]*[^/]$/, 'expected an absolute path without a slash at its end')
  .optional()
  .describe('Folder on the node where builds lie; `/var/lib/stackgate`, which a plain user cannot make.');

const Needs = z
  .strictObject({
    disk: Count.optional().describe('MiB free where workspaces lie.'),
    memory: Count.optional().describe('MiB of RAM.'),
    cpus: Count.optional().describe('Processors.'),
    devstack: z.boolean().optional().describe('DevStack is to run there.'),
  })
  .optional()
  .describe('What builds need; a machine without it is never ready.');

export const Image = z.strictObject({
  name: Name.describe('What labels call it.'),
  'image-name': z.string().optional().describe("The provider's name of it; else `diskimage`, else `name`."),
  'image-id': z.string().optional().describe("The provider's id of it."),
  diskimage: z.string().optional().describe('As `image-name`.'),
  'flavor-name': z.string().optional().describe('Flavor by name or id; with `min-ram` a part of its name.'),
  'name-filter': z.string().optional().describe('As `flavor-name`.'),
  'min-ram': Count.optional().describe('MiB; takes the smallest flavor with so much.'),
  cores: Count.optional().describe('vCPUs of one node, where the provider does not say.'),
  ram: Count.optional().describe('MiB of one node, where the provider does not say.'),
  username: z.string().optional().describe('SSH user on the node.'),
  'private-key': z.string().optional().describe('SSH key file for it.'),
  'connection-port': z.int().min(1).max(65535).optional().describe('SSH port of the node.'),
  'job-user': JobUser,
  workspaces: Workspaces,
  needs: Needs,
  sudo: z.boolean().default(true).describe('Jobs may become root with sudo, as DevStack wants it.'),
  'key-name': z.string().optional(),
  'config-drive': z.boolean().optional(),
  meta: z.record(z.string(), z.string()).optional(),
  networks: z.array(z.unknown()).optional(),
  'security-groups': z.array(z.string()).optional(),
  'boot-from-volume': z.boolean().optional(),
  'volume-size': z.int().min(1).optional(),
  userdata: z.string().optional(),
  'instance-properties': z.record(z.string(), z.string()).optional(),
});

const common = {
  name: Name.describe('What labels call it.'),
  'max-servers': z.int().optional().describe('Nodes at a time; 0 or less takes it out of use.'),
  'max-cores': Count.optional().describe('vCPUs at a time.'),
  'max-ram': Count.optional().describe('MiB at a time.'),
  'max-concurrency': Count.default(0).describe('Nodes that are launched at a time; 0: no limit.'),
  priority: z.int().default(100).describe('Lower ones are asked first.'),
  rate: Duration.prefault(1).describe('Seconds between two calls.'),
  'api-timeout': Duration.prefault(60).describe('How long one call may take.'),
  'boot-timeout': Duration.prefault(60).describe('From a running machine to a tested node.'),
  'launch-timeout': Duration.prefault(3600).describe('From the order to a running machine.'),
  'launch-retries': z
    .int()
    .min(1)
    .default(3)
    .describe('Launches that may fail for one request before it is refused here.'),
  'availability-zones': z.array(z.string()).default([]).describe('Zones to use; else all the provider has.'),
  images: z.array(Image).default([]).describe('What it can boot.'),
  username: z.string().optional().describe('SSH user on its nodes, where the image names none.'),
  'private-key': z.string().optional().describe('SSH key file, where the image names none.'),
};

export const OpenstackProvider = z.strictObject({
  driver: z.literal('openstack').default('openstack').describe('An OpenStack cloud.'),
  ...common,
  cloud: z.string().optional().describe('Its name in clouds.yaml.'),
  'region-name': z.string().optional().describe('Region.'),
  networks: z.array(z.unknown()).optional().describe('Networks of its nodes.'),
  'security-groups': z.array(z.string()).optional().describe('Security groups of its nodes.'),
  'ipv6-preferred': z.boolean().default(false).describe('Reach nodes by IPv6 where they have it.'),
  'auto-floating-ip': z
    .boolean()
    .default(true)
    .describe('Give nodes without a public address a floating one.'),
  'clean-floating-ips': z
    .boolean()
    .default(true)
    .describe('Delete floating addresses of ours that no node has.'),
  'port-cleanup-interval': Duration.prefault(600).describe('Seconds between looks for ports nobody uses.'),
  'ignore-provider-quota': z.boolean().default(false).describe('Do not ask for the quota.'),
  pools: z.array(CloudPool).min(1).optional().describe('Parts of it, as Nodepool 3 has them.'),
  'cloud-images': z.array(CloudImage).default([]).describe('Images that labels of pools boot.'),
  diskimages: z.array(PoolDiskImage).default([]).describe('How images of pools are started.'),
});

export const CommandProvider = z.strictObject({
  driver: z.literal('command').describe("The site's own executables, speaking JSON."),
  ...common,
  rate: Duration.prefault(0).describe('Seconds between two calls.'),
  create: Argv.describe('Program that makes a machine: an order on stdin, a machine on stdout.'),
  list: Argv.describe('Program that prints all machines of our site.'),
  delete: Argv.describe('Program that deletes a machine.'),
  limits: Argv.optional().describe(
    'Program that prints how much room there is: `{"instances": N, "cores": N, "ram": MiB}`.',
  ),
  snapshot: Argv.optional().describe(
    'Program that saves the disk of a machine as an image; needs `list-images` and `delete-image`.',
  ),
  'list-images': Argv.optional().describe('Program that prints the names of all images our site saved.'),
  'delete-image': Argv.optional().describe('Program that deletes such an image.'),
});

export const StaticNode = z.strictObject({
  name: Name.describe('Its name.'),
  host: z.string().optional().describe('Host name or address; else `name`.'),
  labels: OneOrMore.describe('What jobs ask for with `node:`.'),
  'max-parallel-jobs': z.int().min(1).default(1).describe('Builds at a time on it.'),
  username: z.string().optional().describe('SSH user.'),
  'private-key': z.string().optional().describe('SSH key file.'),
  'connection-port': z.int().min(1).max(65535).default(22).describe('SSH port.'),
  'job-user': JobUser,
  workspaces: Workspaces,
  needs: Needs,
  sudo: z
    .boolean()
    .default(false)
    .describe('We and jobs may become root with sudo: needed to join it with other nodes.'),
  'host-key': OneOrMore.optional().describe('Its public host keys; one must match.'),
  timeout: Duration.prefault(5).describe('How long it may take to answer before it counts as away.'),
  'health-check': Argv.optional().describe('Program run here before each lease; it must succeed.'),
  cleanup: Argv.optional().describe(
    'Program run here after each lease; until it succeeds the node is in quarantine.',
  ),
  'cleanup-timeout': Duration.prefault(600).describe('How long it may take.'),
  zone: z.string().optional(),
});

export const StaticProvider = z.strictObject({
  driver: z.literal('static').describe('Machines that are always there.'),
  name: Name.describe('Its name.'),
  priority: common.priority,
  'launch-retries': common['launch-retries'],
  'boot-timeout': common['boot-timeout'],
  username: common.username,
  'private-key': common['private-key'],
  nodes: z.array(StaticNode).default([]).describe('The machines.'),
  pools: z
    .array(z.strictObject({ name: Name, priority: z.int().optional(), nodes: z.array(StaticNode).min(1) }))
    .min(1)
    .optional()
    .describe('Or in parts, as Nodepool 3 has them; node sets come from one.'),
});

export const ProviderEntry = z.union([StaticProvider, CommandProvider, OpenstackProvider]);

export const NodepoolFile = z.strictObject({
  labels: z.array(Label).default([]).describe('Kinds of nodes.'),
  'node-sets': z.array(NodeSet).default([]).describe('Several nodes that belong together.'),
  providers: z.array(ProviderEntry).default([]).describe('Where machines come from.'),
  'max-cores-per-job': Count.optional().describe('vCPUs that the nodes of one job may have together.'),
  'max-hold-age': Duration.prefault(0).describe('Held nodes are deleted after this time; 0: never.'),
});
export type NodepoolFile = z.infer<typeof NodepoolFile>;
