import { z } from 'zod';

/** What we read of nova, neutron and glance. */

const Address = z.object({
  addr: z.string(),
  version: z.number(),
  'OS-EXT-IPS:type': z.string().optional(),
});
export type Address = z.infer<typeof Address>;

export const Server = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  metadata: z.record(z.string(), z.string()).default({}),
  addresses: z.record(z.string(), z.array(Address)).default({}),
  accessIPv4: z.string().nullish(),
  accessIPv6: z.string().nullish(),
  'OS-EXT-AZ:availability_zone': z.string().nullish(),
  flavor: z.object({ vcpus: z.number(), ram: z.number() }).partial().optional(),
  fault: z.object({ message: z.string().optional(), details: z.string().optional() }).optional(),
});
export type Server = z.infer<typeof Server>;
export const Servers = z.object({
  servers: z.array(Server),
  servers_links: z.array(z.object({ rel: z.string() })).optional(),
});
export const Created = z.object({ server: z.object({ id: z.string() }) });

export const Flavor = z.object({ id: z.string(), name: z.string(), vcpus: z.number(), ram: z.number() });
export type Flavor = z.infer<typeof Flavor>;
export const Flavors = z.object({ flavors: z.array(Flavor) });

export const Image = z.object({
  id: z.string(),
  name: z.string().nullish(),
  status: z.string(),
  created_at: z.string().optional(),
});
export type Image = z.infer<typeof Image>;
export const Images = z.object({ images: z.array(Image), next: z.string().optional() });

export const Network = z.object({
  id: z.string(),
  name: z.string(),
  'router:external': z.boolean().optional(),
});
export type Network = z.infer<typeof Network>;
export const Networks = z.object({ networks: z.array(Network) });

export const Port = z.object({
  id: z.string(),
  name: z.string(),
  device_id: z.string(),
  fixed_ips: z.array(z.object({ ip_address: z.string() })).default([]),
});
export type Port = z.infer<typeof Port>;
export const Ports = z.object({ ports: z.array(Port) });

export const FloatingIp = z.object({
  id: z.string(),
  description: z.string().nullish(),
  floating_ip_address: z.string(),
  port_id: z.string().nullish(),
});
export type FloatingIp = z.infer<typeof FloatingIp>;
export const FloatingIps = z.object({ floatingips: z.array(FloatingIp) });

export const Zones = z.object({
  availabilityZoneInfo: z.array(
    z.object({ zoneName: z.string(), zoneState: z.object({ available: z.boolean() }) }),
  ),
});

export const Limits = z.object({
  limits: z.object({
    absolute: z.object({
      maxTotalInstances: z.number(),
      maxTotalCores: z.number(),
      maxTotalRAMSize: z.number(),
      totalInstancesUsed: z.number(),
      totalCoresUsed: z.number(),
      totalRAMUsed: z.number(),
    }),
  }),
});
