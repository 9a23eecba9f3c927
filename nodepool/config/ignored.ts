import type { Places } from '../../jobs/places.ts';
import type { Problem } from '../../jobs/problem.ts';

/** Keys of Nodepool 0.x and 3.x that mean nothing here, and why. They are taken out and listed, never dropped in silence. */

const IMAGES = 'images are built elsewhere';
const QUEUE = 'requests come from the scheduler itself';
const TOP: Readonly<Record<string, string>> = {
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
};
const PROVIDER: Readonly<Record<string, string>> = {
  'image-type': IMAGES,
  'image-upload-timeout': IMAGES,
  'image-name-format': IMAGES,
  'post-upload-hook': IMAGES,
  'template-hostname': IMAGES,
  'hostname-format': 'nodes are named by their id',
  'nodepool-id': "the site's own id marks its machines",
  diskimages: IMAGES,
};

export function takeOutIgnored(root: unknown, places: Places): Problem[] {
  const problems: Problem[] = [];
  const take = (holder: unknown, table: Readonly<Record<string, string>>) => {
    if (!isRecord(holder)) return;
    for (const key of Object.keys(holder)) {
      const why = Object.hasOwn(table, key) ? table[key] : undefined;
      if (why === undefined) continue;
      problems.push({
        severity: 'warning',
        code: 'ignored-key',
        message: `\`${key}\` is ignored: ${why}`,
        at: places.of(holder, key),
      });
      Reflect.deleteProperty(holder, key);
    }
  };
  take(root, TOP);
  if (!isRecord(root)) return problems;
  const { providers } = root;
  if (Array.isArray(providers)) for (const provider of providers) take(provider, PROVIDER);
  return problems;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
