import { dirname } from 'node:path';
import type { Problem, SourceFile } from '../jobs/problem.ts';
import { noPool, type PoolConfig } from '../nodepool/config/config.ts';
import { readPool } from '../nodepool/config/read.ts';
import { readText, sitePath } from './site.ts';
import { LocalNodes, type Site } from './sitekeys.ts';

/** The machines of a site: `nodepool.yaml`, where stackgate.yaml names one, and this machine, unless only the others are wanted. */

export interface SitePool {
  readonly config: PoolConfig;
  /** Paths in nodepool.yaml start here. */
  readonly base: string;
  readonly problems: readonly Problem[];
  readonly source?: SourceFile;
}

export function readSitePool(site: Site, base: string): SitePool {
  const { nodepool } = site.nodes;
  if (nodepool === undefined) return { config: noPool, base, problems: [] };
  const path = sitePath(base, nodepool);
  const text = readText(path);
  const folder = dirname(path);
  if (text === undefined) {
    const message = `there is no nodepool file at ${path}`;
    const hint = 'name it with `nodes: {nodepool: FILE}` in stackgate.yaml';
    return {
      config: noPool,
      base: folder,
      problems: [{ severity: 'error', code: 'file-missing', message, hint }],
    };
  }
  const source = { name: nodepool, text };
  const { config = noPool, problems } = readPool(source);
  return { config, base: folder, problems, source };
}

/** This machine as a node; undefined where nodepool.yaml alone says what there is. */
export function localNodes({ nodes }: Site): LocalNodes | undefined {
  return nodes.local ?? (nodes.nodepool === undefined ? LocalNodes.parse({}) : undefined);
}
