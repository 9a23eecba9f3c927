import { renderProblems } from '../../jobs/problem.ts';
import type { PoolConfig } from '../../nodepool/config/config.ts';
import { readPool } from '../../nodepool/config/read.ts';
import { type Launcher, openLauncher } from '../../nodepool/launcher.ts';
import { type LauncherOptions } from '../../nodepool/options.ts';
import type { Provider } from '../../nodepool/provider.ts';
import type { NodeRequest, Row } from '../../pipelines/ports.ts';
import { memoryPool } from '../../workers/memory/pool.ts';
import type { VirtualTime } from '../fakes/cloud/time.ts';

export const siteId = '5a1ce0de5a1ce0de';

export function poolConfig(text: string): PoolConfig {
  const { config, problems } = readPool({ name: 'nodepool.yaml', text });
  if (config === undefined) throw new Error(renderProblems(problems));
  return config;
}

/** A launcher over fakes in virtual time. `rows` are what a restart finds. */
export function openVirtualPool(
  config: PoolConfig,
  providers: readonly Provider[],
  time: VirtualTime,
  rows: Map<string, Row> = new Map(),
  more: Partial<LauncherOptions> = {},
): Promise<Launcher> {
  return openLauncher({
    site: siteId,
    config,
    providers: [],
    open({ name }) {
      const provider = providers.find((each) => each.name === name);
      if (provider === undefined) throw new Error(`there is no fake of provider ${name}`);
      return provider;
    },
    records: memoryPool(rows),
    timer: time,
    random: () => 0.5,
    test: async () => ({ kind: 'fit' }),
    ...more,
  });
}

let count = 0;

export function requestFor(label: string, more: Partial<NodeRequest> = {}): NodeRequest {
  count += 1;
  return {
    id: `acquire-v${count}`,
    build: `build-v${count}`,
    job: `job-${count}`,
    pipeline: 'check',
    precedence: 'normal',
    nodes: { label },
    ...more,
  };
}
