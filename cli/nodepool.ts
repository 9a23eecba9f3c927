import { dirname } from 'node:path';
import type { Problem, SourceFile } from '../jobs/problem.ts';
import { noPool, type PoolConfig } from '../nodepool/config/config.ts';
import { PoolFiles } from '../nodepool/config/files.ts';
import { readPool } from '../nodepool/config/read.ts';
import type { SiteConfig } from '../pipelines/ports.ts';
import { readText, sitePath } from './site.ts';
import { LocalNodes, type Site } from './sitekeys.ts';

/** The machines of a site: `nodepool.yaml`, where stackgate.yaml names one, and this machine, unless only the others are wanted. */

export interface SitePool {
  readonly config: PoolConfig;
  readonly problems: readonly Problem[];
  readonly source?: SourceFile;
}

/** `root`: where the paths of the configuration start, such as a checkout of the data repository. */
export function readSitePool(site: Site, root: string): SitePool {
  const { nodepool } = site.nodes;
  if (nodepool === undefined) return { config: noPool, problems: [] };
  const path = sitePath(root, nodepool);
  const text = readText(path);
  if (text === undefined) {
    const message = `there is no nodepool file at ${path}`;
    const hint = 'name it with `nodes: {nodepool: FILE}` in stackgate.yaml';
    return { config: noPool, problems: [{ severity: 'error', code: 'file-missing', message, hint }] };
  }
  const source = { name: nodepool, text };
  const script = (named: string) => readText(sitePath(dirname(path), named));
  const { config = noPool, problems } = readPool(source, script);
  return { config, problems, source };
}

/** Where the paths of key files in nodepool.yaml start. No key lies in a data repository: there it is where the site file is. */
export function keyFolder({ nodes, repository }: Site, base: string): string {
  if (nodes.nodepool === undefined || repository !== undefined) return base;
  return dirname(sitePath(base, nodes.nodepool));
}

/** nodepool.yaml of a configuration as it was stored. */
export function storedPool({ pool }: Pick<SiteConfig, 'pool'>): PoolConfig {
  const files = PoolFiles.safeParse(pool).data;
  if (files === undefined) return noPool;
  return readPool({ name: files.name, text: files.text }, (path) => files.scripts[path]).config ?? noPool;
}

/** This machine as a node; undefined where nodepool.yaml alone says what there is. */
export function localNodes({ nodes }: Site): LocalNodes | undefined {
  return nodes.local ?? (nodes.nodepool === undefined ? LocalNodes.parse({}) : undefined);
}
