import type { Places } from '../../jobs/places.ts';
import type { Problem } from '../../jobs/problem.ts';

/**
 * Keys of Nodepool 0.x and 3.x that mean nothing here, and why. They are taken out and listed, never dropped in silence; where a site
 * would rely on what they promise, the file is refused.
 */
type Rule = string | Refused | ((value: unknown) => string | Refused | undefined);
interface Refused {
  readonly refused: string;
}
type Rules = Readonly<Record<string, Rule>>;

const IMAGES = 'images are built elsewhere';
const QUEUE = 'requests come from the scheduler itself';
const ANSIBLE = 'no Ansible enters nodes here';
const TOP: Rules = {
  'elements-dir': IMAGES,
  'images-dir': IMAGES,
  'script-dir': 'scripts are named by their path',
  diskimages: IMAGES,
  'build-log-dir': IMAGES,
  'build-log-retention': IMAGES,
  cron: 'checks and cleanup run all the time',
  'zmq-publishers': QUEUE,
  'gearman-servers': QUEUE,
  'zookeeper-servers': QUEUE,
  'zookeeper-tls': QUEUE,
  'zookeeper-timeout': QUEUE,
  targets: 'builds are run by Stackgate itself, not by a Jenkins',
  dburi: 'the database is the one of stackgate.yaml',
  webapp: 'the web server is the one of stackgate.yaml',
  'tenant-resource-limits': {
    refused:
      'there is one tenant here: limit providers and pools by `max-servers`, `max-cores` and `max-ram`',
  },
};
const PROVIDER: Rules = {
  'image-type': IMAGES,
  'image-upload-timeout': IMAGES,
  'image-name-format': IMAGES,
  'post-upload-hook': IMAGES,
  'template-hostname': IMAGES,
  'hostname-format': 'nodes are named by their id',
  'nodepool-id': "the site's own id marks its machines",
  diskimages: IMAGES,
  driver: (value) => (isForeign(value) ? { refused: foreign(value) } : undefined),
};
const VOLUMES = { refused: 'volumes are not counted here: limit the pool by `max-servers`' };
const POOL: Rules = {
  'max-volumes': VOLUMES,
  'max-volume-gb': VOLUMES,
  'node-attributes': 'nodes are asked for by their labels, and every worker reaches every node',
};
const CONNECTION: Rules = {
  'python-path': ANSIBLE,
  'shell-type': ANSIBLE,
  'connection-type': (value) =>
    value === 'ssh' ? 'nodes are always entered over SSH' : { refused: 'nodes are only entered over SSH' },
  'host-key-checking': (value) =>
    value === false
      ? {
          refused:
            'a node is only entered when its host key is known: name it with `host-key`, or let it be scanned',
        }
      : 'host keys are always checked',
};
const LABEL: Rules = {
  ...CONNECTION,
  'console-log': 'the console of a machine is left to its cloud',
  'dynamic-instance-properties': {
    refused: 'machines are not made for one request: use `instance-properties`',
  },
};

const FOREIGN = [
  'aws',
  'azure',
  'digitalocean',
  'gce',
  'ibmvpc',
  'kubernetes',
  'openshift',
  'openshiftpods',
  'metastatic',
];

function isForeign(value: unknown): value is string {
  return typeof value === 'string' && FOREIGN.includes(value);
}

function foreign(driver: string): string {
  if (driver === 'metastatic')
    return 'there is no metastatic driver: lend one machine to several jobs by `max-parallel-jobs` of a static node';
  return `there is no ${driver} driver: make its machines by programs of your own, with \`driver: command\``;
}

/** Takes out what means nothing. `foreign`: providers of which nothing else need be said. */
export function takeOutIgnored(root: unknown, places: Places): { problems: Problem[]; foreign: Set<number> } {
  const problems: Problem[] = [];
  const foreign = new Set<number>();
  const take = (holder: unknown, rules: Rules): void => {
    if (!isRecord(holder)) return;
    for (const [key, value] of Object.entries(holder)) {
      const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
      const why = typeof rule === 'function' ? rule(value) : rule;
      if (why === undefined) continue;
      const at = places.of(holder, key);
      problems.push(
        typeof why === 'string'
          ? { severity: 'warning', code: 'ignored-key', message: `\`${key}\` is ignored: ${why}`, at }
          : { severity: 'error', code: 'nodepool-refused', message: `\`${key}\`: ${why.refused}`, at },
      );
      Reflect.deleteProperty(holder, key);
    }
  };
  take(root, TOP);
  if (!isRecord(root)) return { problems, foreign };
  listOf(root['providers']).forEach((provider, index) => {
    if (!isRecord(provider)) return;
    if (isForeign(provider['driver'])) foreign.add(index);
    const { diskimages: _, ...old } = PROVIDER;
    // In a provider with pools they say how images are started.
    take(provider, provider['pools'] === undefined ? PROVIDER : old);
    for (const image of [...listOf(provider['cloud-images']), ...listOf(provider['diskimages'])])
      take(image, CONNECTION);
    for (const node of listOf(provider['nodes'])) take(node, CONNECTION);
    for (const image of listOf(provider['images'])) take(image, CONNECTION);
    for (const pool of listOf(provider['pools'])) {
      take(pool, { ...POOL, ...CONNECTION });
      if (!isRecord(pool)) continue;
      for (const node of listOf(pool['nodes'])) take(node, CONNECTION);
      for (const label of listOf(pool['labels'])) take(label, LABEL);
    }
  });
  return { problems, foreign };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
