import { z } from 'zod';

/** `pools:` of a provider, as Nodepool 3 has them. */

const Count = z.int().min(0);
const Name = z.string().min(1);

/** An image that the cloud has already. */
export const CloudImage = z.strictObject({
  name: Name.describe('What labels call it with `cloud-image`.'),
  'image-name': z.string().optional().describe("The cloud's name of it; else `name`."),
  'image-id': z.string().optional().describe("The cloud's id of it."),
  'config-drive': z.boolean().optional().describe('Give its machines a config drive.'),
  username: z.string().optional().describe('SSH user on its nodes.'),
  'private-key': z.string().optional().describe('SSH key file for it.'),
  'connection-port': z.int().min(1).max(65535).optional().describe('SSH port of its nodes.'),
});

/** An image that Nodepool's builder, or anybody else, uploaded. */
export const PoolDiskImage = z.strictObject({
  name: Name.describe('What labels call it with `diskimage`.'),
  'config-drive': z.boolean().optional().describe('Give its machines a config drive.'),
  meta: z.record(z.string(), z.string()).optional().describe('Metadata of its machines.'),
  username: z.string().optional().describe('SSH user on its nodes.'),
  'connection-port': z.int().min(1).max(65535).optional().describe('SSH port of its nodes.'),
  pause: z.boolean().optional().describe('Of its builder: of no use here.'),
});

export const PoolLabel = z
  .strictObject({
    name: Name.describe('One of `labels`.'),
    'cloud-image': z.string().optional().describe('One of `cloud-images`, or an image of the cloud.'),
    diskimage: z.string().optional().describe('The image, by the name it was uploaded with.'),
    'flavor-name': z.string().optional().describe('Flavor by name or id; with `min-ram` a part of its name.'),
    'min-ram': Count.optional().describe('MiB; takes the smallest flavor with so much.'),
    'key-name': z.string().optional().describe('Key pair of the cloud.'),
    'boot-from-volume': z.boolean().optional(),
    'volume-size': z.int().min(1).optional(),
    networks: z.array(z.unknown()).optional(),
    'security-groups': z.array(z.string()).optional(),
    'instance-properties': z.record(z.string(), z.string()).optional(),
    userdata: z.string().optional(),
    cores: Count.optional().describe('vCPUs of one node, where the cloud does not say.'),
  })
  .refine((label) => (label['cloud-image'] === undefined) !== (label.diskimage === undefined), {
    error: 'names either a `cloud-image` or a `diskimage`',
  })
  .refine((label) => label['flavor-name'] !== undefined || label['min-ram'] !== undefined, {
    error: 'needs `flavor-name` or `min-ram`',
  });

const quotas = {
  name: Name.describe('Its name.'),
  priority: z.int().optional().describe('Lower ones are asked first.'),
};

/** A part of a cloud with a quota of its own; node sets come from one. */
export const CloudPool = z.strictObject({
  ...quotas,
  'max-servers': z.int().optional().describe('Nodes at a time; 0 or less takes it out of use.'),
  'max-cores': Count.optional().describe('vCPUs at a time.'),
  'max-ram': Count.optional().describe('MiB at a time.'),
  'ignore-provider-quota': z.boolean().optional().describe('Do not ask for the quota.'),
  'availability-zones': z.array(z.string()).optional().describe('Zones to use; else all the cloud has.'),
  networks: z.array(z.unknown()).optional().describe('Networks of its nodes.'),
  'security-groups': z.array(z.string()).optional().describe('Security groups of its nodes.'),
  'auto-floating-ip': z.boolean().optional().describe('Give nodes without a public address a floating one.'),
  labels: z.array(PoolLabel).default([]).describe('What it makes.'),
});
